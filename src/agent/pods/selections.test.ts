import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../core/errors.ts";
import { selections } from "./selections.ts";

const read = (value: string) => selections("shop")(value, "networks");

test("the short form names networks of the pod's own namespace or of another one, and interfaces", () => {
  expect(read("lan, infra/storage@disk").map(({ namespace, name, ifname }) => [namespace, name, ifname])).toEqual([
    ["shop", "lan", "net1"],
    ["infra", "storage", "disk"],
  ]);
});

test("the form in JSON says more of each", () => {
  const element = {
    ...{ name: "lan", namespace: "infra", interface: "lan0", ips: ["10.1.0.5/24", "fd00::5"] },
    ...{ mac: "02:00:5E:00:00:01", "default-route": ["10.1.0.1"], bandwidth: { ingressRate: 1 } },
    ...{ portMappings: [{ hostPort: 1 }], "infiniband-guid": "c2:11", "cni-args": { a: 1 } },
  };
  expect(read(JSON.stringify([element, { name: "b" }]))).toEqual([
    {
      ...{ namespace: "infra", name: "lan", ifname: "lan0", ips: ["10.1.0.5/24", "fd00::5"] },
      ...{ mac: "02:00:5e:00:00:01", gateways: ["10.1.0.1"], args: { a: 1 } },
      capabilities: { bandwidth: { ingressRate: 1 }, portMappings: [{ hostPort: 1 }], infinibandGUID: "c2:11" },
    },
    { namespace: "shop", name: "b", ifname: "net2", ips: [], mac: undefined, gateways: [], args: {}, capabilities: {} },
  ]);
});

describe("refused, with the name of the field, is", () => {
  const json = (field: string, fields: object) =>
    [`networks[0].${field}`, JSON.stringify([{ name: "a", ...fields }])] as const;
  const wrong: readonly (readonly [field: string, value: string])[] = [
    ["networks[0]", ""],
    ["networks[0]", "a/b/c"],
    ["networks[1]", "a,"],
    ["networks[0][0].name", "Lan"],
    ["networks[0][0].interface", "a@a-name-that-is-too-long"],
    ["networks[1]", "a@x,b@x"],
    ["networks", "[{"],
    ["networks[0]", "[1]"],
    json("name", { name: 1 }),
    json("namespace", { namespace: "A" }),
    json("interface", { interface: "a b" }),
    json("ips", { ips: "10.0.0.1" }),
    json("ips[0]", { ips: ["10.0.0"] }),
    json("mac", { mac: "me" }),
    json("default-route[0]", { "default-route": ["10.0.0.0/8"] }),
    json("bandwidth", { bandwidth: 1 }),
    json("portMappings", { portMappings: {} }),
    json("infiniband-guid", { "infiniband-guid": 1 }),
    json("cni-args", { "cni-args": [] }),
  ];
  test.each(wrong)("%s in %s", (field, value) => {
    try {
      read(value);
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).field).toBe(field);
      return;
    }
    throw new Error("it is taken");
  });
});
