import { describe, expect, test } from "bun:test";
import { agentConfig, storeAddress } from "./agent-config.ts";
import { exampleFile } from "./example.ts";
import type { Lab } from "./lab.ts";
import { parseLabFile } from "./lab-file.ts";
import { birdConfig } from "./router-bgp.ts";

function config(lab: Lab, i: number) {
  const node = lab.nodes[i];
  if (node === undefined) throw new Error(`There is no node number ${i}`);
  return agentConfig(lab, node);
}

describe("what an agent is told", () => {
  test("is who it is, where the others are to be found, and how packets get to them", () => {
    expect(config(parseLabFile(exampleFile()), 2)).toEqual({
      node: "node3",
      network: "tendril-demo",
      store: "dir:/run/tendril/lab/demo/store",
      mode: "vxlan",
      crossSubnetOnly: true,
      subnet: ["10.244.0.0/16", "fd44::/48"],
      blockSize: { ipv4: 26, ipv6: 122 },
      addresses: ["172.20.2.13/24", "fd20:2::13/64"],
      networkConfig: "/run/tendril/lab/demo/nodes/node3/net.d/10-tendril.conflist",
      heartbeat: 1,
      grace: 3,
      coolDown: 1,
    });
  });

  test("is an etcd's address at the router, in brackets for IPv6", () => {
    expect(storeAddress(parseLabFile(exampleFile(), { store: "etcd" }))).toBe("etcd://172.20.1.1:2379");
    expect(storeAddress(parseLabFile(exampleFile("ipv6"), { store: "etcd" }))).toBe("etcd://[fd20:1::1]:2379");
  });

  test("is the router as a peer where packets come by it, and none within one subnet", () => {
    expect(config(parseLabFile(exampleFile("routed")), 2).bgp).toEqual({
      as: 64512,
      peers: [
        { address: "172.20.2.1", as: 64513 },
        { address: "fd20:2::1", as: 64513 },
      ],
    });
    expect(config(parseLabFile(exampleFile("flat"), { mode: "bgp" }), 2).bgp).toEqual({ as: 64512 });
    expect(config(parseLabFile(exampleFile("flat")), 2).bgp).toBeUndefined();
  });
});

test("The router takes for a node whoever connects from a subnet, and gives what it learns to the kernel", () => {
  const text = birdConfig(parseLabFile(exampleFile("routed")));
  expect(text).toContain("local 172.20.2.1 as 64513;\n  neighbor range 172.20.2.0/24 as 64512;");
  expect(text).toContain("local fd20:3::1 as 64513;\n  neighbor range fd20:3::/64 as 64512;");
  expect(text.match(/export where source = RTS_BGP/g)?.length).toBe(2);
});
