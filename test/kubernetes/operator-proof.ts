/**
 * What an operator does by kubeconfigs from a machine that is no node, as tests for a cluster of three nodes in two subnets
 * that has a network and {@link webServers}.
 */

import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { testFolders } from "../../src/cni/testing/folders.ts";
import { CHECK_COUNT } from "../../src/doctor/judge.ts";
import type { Trace } from "../../src/trace/trace.ts";

import { tendril } from "../support/programs.ts";
import { type Pod, podsOf } from "./asking.ts";
import { makeAuthority } from "./authority.ts";
import type { Cluster } from "./cluster.ts";
import { NAMESPACE } from "./installed.ts";
import type { Test } from "./network-proof.ts";
import { type Operator, operator, withCertificate, withToken } from "./operators.ts";
import { until } from "./until.ts";
import { PORTS } from "./workloads.ts";

/** Registers the tests. */
export function provesOperators(
  test: Test,
  cluster: () => Promise<Cluster>,
  folders: ReturnType<typeof testFolders>,
): void {
  test("an operator sees all of it from a machine that is no node, by a certificate, a token and kubectl", async () => {
    const { apply, get, kubectl } = await cluster();
    await apply(await rightsOfTheDocument());
    const { path } = folders();
    const jane = operator(await cluster(), await withCertificate(await cluster(), path, "jane", "network-operators"));
    await kubectl("create", "serviceaccount", "operator");
    for (const kind of ["clusterrole", "role"] as const) {
      const inNamespace = kind === "role" ? ["--namespace", NAMESPACE] : [];
      const subject = [`--${kind}=tendril-operator`, "--serviceaccount=default:operator"];
      await kubectl("create", `${kind}binding`, "of-account", ...subject, ...inNamespace);
    }
    const token = (await kubectl("create", "token", "operator")).trim();
    const account = operator(
      await cluster(),
      withToken(await cluster(), path, token, await foreignAuthority(folders().path)),
    );
    const json = async (...args: readonly string[]) => JSON.parse(await jane.output("get", ...args, "-o", "json"));

    expect((await json("nodes")).map(({ name }: { name: string }) => name)).toEqual(["node1", "node2", "node3"]);
    for (const kind of ["pools", "blocks"]) {
      const { items } = await get<{ items: { metadata: { name: string }; spec: object }[] }>(kind);
      const own = await json(kind);
      expect(own).toHaveLength(items.length);
      for (const { metadata, spec } of items) expect(own).toContainEqual({ name: metadata.name, ...spec });
    }
    const web = await podsOf(await cluster(), "app=web");
    const pods: { name: string; node: string; addresses: string[]; ifname: string }[] = await json("pods");
    for (const { metadata, spec, status } of web) {
      const name = `default/${metadata.name}`;
      const addresses = status.podIPs.map(({ ip }) => ip);
      expect(pods).toContainEqual(expect.objectContaining({ name, node: spec.nodeName, addresses, ifname: "eth0" }));
    }
    for (const context of ["file", "program"]) {
      expect(await account.output("get", "nodes", "--context", context)).toContain("node3");
    }
    const statuses = JSON.parse(await account.output("status", "-o", "json"));
    expect(statuses.map(({ node, ready }: { node: string; ready: boolean }) => [node, ready])).toEqual([
      ["node1", true],
      ["node2", true],
      ["node3", true],
    ]);
    const examined = JSON.parse((await account.tendril("doctor", "--context", "file", "-o", "json")).stdout);
    expect(examined.map(({ node, checks }: { node: string; checks: number }) => [node, checks])).toEqual([
      ["node1", CHECK_COUNT],
      ["node2", CHECK_COUNT],
      ["node3", CHECK_COUNT],
    ]);
    expect(await account.kubectlTendril("status", "--node", "node2")).toStartWith("Node node2 is ready");
    expect(await account.kubectlTendril("get", "--help")).toStartWith("Usage: kubectl tendril get ");
  });

  test("an operator reserves addresses, and hears of it at another terminal", async () => {
    const { at } = await cluster();
    const file = await withCertificate(await cluster(), folders().path, "jane", "network-operators");
    const jane = operator(await cluster(), file);
    const seen = join(folders().path, "seen");
    const watch = ["timeout", "60", ...jane.command("get", "reservations", "--watch", "-o", "json")];
    const watching = at("outside", ["sh", "-c", `exec ${watch.join(" ")} >${seen}`]);
    const reserved = await jane.output("reserve", "default/db", "10.244.200.7", "--kubeconfig", file);
    expect(reserved).toBe("10.244.200.7 kept for default/db\n");
    const lines = () => readFileSync(seen, "utf8").split("\n");
    const hasSeen = (type: string) => async () => lines().some((line) => line.includes(`"type":"${type}"`));
    await until("the reservation is seen", hasSeen("put"));
    expect(await jane.output("unreserve", "default/db")).toBe("10.244.200.7 free again\n");
    await until("its end is seen", hasSeen("delete"));
    await at("outside", ["pkill", "--signal", "TERM", "--full", `^${tendril} get reservations --watch`]);
    expect((await watching).exitCode).toBe(0);
    const put = JSON.parse(lines().find((line) => line.includes('"put"')) ?? "");
    expect(put).toMatchObject({ type: "put", owner: "default/db", addresses: ["10.244.200.7"] });
  });

  test("an operator follows a packet over the nodes, on one link and through the tunnel, to what is wrong there", async () => {
    const { node } = await cluster();
    const file = await withCertificate(await cluster(), folders().path, "jane", "network-operators");
    const jane = operator(await cluster(), file);
    const web = await podsOf(await cluster(), "app=web");
    const on = (name: string) => web.find(({ spec }) => spec.nodeName === name) as Pod;
    const [first, second, third] = [on("node1"), on("node2"), on("node3")];
    for (const [to, other] of [
      [second, "node2"],
      [third, "node3"],
    ] as const) {
      const [from, end] = [first.metadata.name, `default/${to.metadata.name}:${PORTS.web}`];
      const traces: Trace[] = JSON.parse(await jane.output("trace", from, end, "-o", "json"));
      expect(traces.map(({ legs }) => legs.length)).toEqual([2, 2]);
      for (const { legs, wrong } of traces) {
        expect(wrong).toBeUndefined();
        const [there, back] = legs.map(({ hops }) => [...new Set(hops.map(({ where }) => where))]);
        const ways = [`default/${from}`, "node1", other, `default/${to.metadata.name}`];
        expect(there).toEqual(ways);
        expect(back).toEqual(ways.toReversed());
        const tunnels = legs.flatMap(({ hops }) => hops.filter((hop) => hop.kind === "node").map((hop) => hop.tunnel));
        const tunnel = other === "node3" ? { name: "tendril.vxlan", type: "vxlan" } : undefined;
        expect(tunnels).toEqual([tunnel, tunnel]);
      }
    }
    const address = third.status.podIPs[0]?.ip ?? "";
    const unheard = await jane.tendril("trace", first.metadata.name, `${address}:9`);
    expect(unheard.exitCode).toBe(1);
    expect(unheard.stdout).toContain(`on ${address}: It arrives, but nothing listens on TCP port 9 of ${address}`);
    const { output } = node("node3");
    const chain = "lan { type filter hook forward priority 0; }";
    await output(["nft", `add table ip broken; add chain ip broken ${chain}`]);
    try {
      await output(["nft", `add rule ip broken lan ip daddr ${address} tcp dport 9 drop`]);
      const { exitCode, stdout } = await jane.tendril("trace", first.metadata.name, `${address}:9`);
      expect(exitCode).toBe(1);
      expect(stdout).toContain('The first thing wrong, on node3: Dropped at forward in chain ip "broken" "lan" by: ');
    } finally {
      await output(["nft", "delete table ip broken"]);
    }
  });

  test("an operator hears in one sentence what is wrong with a kubeconfig, or not allowed", async () => {
    const { kubectl, node } = await cluster();
    const { path } = folders();
    const token = (await kubectl("create", "token", "operator")).trim();
    const files = withToken(await cluster(), path, token, await foreignAuthority(folders().path));
    const account = operator(await cluster(), files);
    const paul = operator(await cluster(), await withCertificate(await cluster(), path, "paul"));
    const said = async ({ tendril: run }: Operator, ...args: readonly string[]) => {
      const { exitCode, stdout, stderr } = await run(...args);
      expect([exitCode, stdout]).toEqual([1, ""]);
      return stderr;
    };
    const names = files.replace(/:.*/, ":");
    expect(await said(account, "get", "nodes", "--context", "none")).toContain(`tendril: Kubeconfig "${names}`);
    expect(await said(account, "get", "nodes", "--context", "none")).toEndWith(
      '"contexts" has none of this name: "none"\nThere are file, program, stranger, foreign, misnamed.\n',
    );
    for (const args of [["get", "nodes"], ["status"], ["trace", "a", "b"]]) {
      const { server } = (await cluster()).control;
      expect(await said(account, ...args, "--context", "foreign")).toStartWith(
        `tendril: The API server ${server} has a certificate that is not taken: `,
      );
    }
    expect(await said(account, "get", "nodes", "--context", "misnamed")).toContain("for others than the host");
    expect(await said(account, "get", "nodes", "--context", "stranger")).toBe(
      "tendril: The API server refuses GET /apis/tendril.dev/v1/tendrilnodes: Unauthorized\n",
    );
    expect(await said(account, "get", "nodes", "--kubeconfig", `${path}/none`)).toBe(
      `tendril: Invalid configuration: "--kubeconfig" names a kubeconfig that is not there: "${path}/none"\n`,
    );
    expect(await said(paul, "get", "blocks")).toContain('User "paul" cannot list resource "blocks"');
    expect(await said(paul, "reserve", "default/db", "10.244.200.7")).toContain('User "paul" cannot ');
    expect(await said(paul, "status")).toContain('User "paul" cannot list resource "pods"');
    await kubectl("create", "rolebinding", "paul", "--clusterrole=view", "--user=paul", `--namespace=${NAMESPACE}`);
    expect(await said(paul, "get", "pods")).toContain('User "paul" cannot get resource "pods/exec"');
    expect(await said(account, "status", "--node", "node9")).toStartWith('tendril: No agent runs on node "node9"\n');
    expect(await said(account, "trace", "nobody", "10.244.0.1")).toBe(
      'tendril: There is no pod "nobody" in namespace "default"\n',
    );
    // On a node the agent there is asked, by whatever there is no kubeconfig for.
    expect(await node("node2").output(["/opt/cni/bin/tendril", "status"])).toStartWith("Node node2 is ready");
  });
}

/** What docs/kubernetes.md gives to operators. */
async function rightsOfTheDocument(): Promise<string> {
  const text = await Bun.file(join(import.meta.dir, "../../docs/kubernetes.md")).text();
  const [, block] = /```yaml\n(apiVersion: rbac.*?)```/s.exec(text) ?? [];
  if (block === undefined) throw new Error("docs/kubernetes.md gives no rights to operators");
  return block;
}

/** The certificate of an authority that has nothing to do with the cluster. */
async function foreignAuthority(folder: string): Promise<string> {
  return (await makeAuthority(folder)).ca;
}
