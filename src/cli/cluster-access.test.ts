import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { chooseStore, collectPair } from "./cluster-access.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-choice-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("the store is the one on the command line, else the environment's, else the agent's", () => {
  const config = join(folder, "agent.yaml");
  writeFileSync(config, "store: etcd://a:1\nmode: vxlan\nstoreOptions: { user: u, passwordFile: /p }\n");
  const env = { TENDRIL_STORE: "dir:/b", TENDRIL_AGENT_CONFIG: config };
  expect(chooseStore({ store: "dir:/a" }, env).url).toBe("dir:/a");
  expect(chooseStore({}, env)).toEqual({ url: "dir:/b", options: {}, field: "TENDRIL_STORE" });
  const agents = { url: "etcd://a:1", options: { user: "u", passwordFile: "/p" }, field: "store" };
  expect(chooseStore({}, { TENDRIL_AGENT_CONFIG: config })).toEqual(agents);
  const options = { ...agents.options, user: "v" };
  expect(chooseStore({ storeOption: { user: "v" } }, { TENDRIL_AGENT_CONFIG: config })).toEqual({ ...agents, options });
});

test("a kubeconfig on the command line goes before what this machine has, and kubectl's own comes last", () => {
  const config = join(folder, "agent.yaml");
  writeFileSync(config, "store: etcd://a:1\n");
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, "");
  const env = { TENDRIL_STORE: "dir:/b", TENDRIL_AGENT_CONFIG: config, KUBECONFIG: kubeconfig };
  const none = { TENDRIL_AGENT_CONFIG: join(folder, "none"), HOME: folder };
  const options = { context: "x" };
  expect(chooseStore({ store: "dir:/a", kubeconfig: "/k" }, env).url).toBe("dir:/a");
  const named = { url: "kubernetes:/k", options, field: "--kubeconfig" };
  expect(chooseStore({ kubeconfig: "/k", context: "x" }, env)).toEqual(named);
  expect(chooseStore({ kubeconfig: "k" }, env).url).toBe(`kubernetes:${process.cwd()}/k`);
  expect(chooseStore({ context: "x" }, env)).toEqual({ url: "kubernetes:", options, field: "KUBECONFIG" });
  expect(chooseStore({ kubectl: true }, env).url).toBe("kubernetes:");
  expect(chooseStore({}, env).url).toBe("dir:/b");
  expect(chooseStore({}, { ...env, TENDRIL_STORE: "" }).url).toBe("etcd://a:1");
  expect(chooseStore({ storeOption: { namespace: "n" } }, { ...none, KUBECONFIG: kubeconfig })).toEqual({
    url: "kubernetes:",
    options: { namespace: "n" },
    field: "KUBECONFIG",
  });
  expect(() => chooseStore({}, none)).toThrow("It is not known");
  mkdirSync(join(folder, ".kube"));
  writeFileSync(join(folder, ".kube", "config"), "");
  expect(chooseStore({}, none).url).toBe("kubernetes:");
  // In a pod its account is meant by `kubernetes:`, which nothing has named.
  expect(() => chooseStore({}, { ...none, KUBERNETES_SERVICE_HOST: "10.96.0.1" })).toThrow("It is not known");
});

test("without one it is said how to name it", () => {
  const env = { TENDRIL_AGENT_CONFIG: join(folder, "none") };
  expect(() => chooseStore({}, env)).toThrow("It is not known which store the cluster has");
});

test("a configuration that cannot be read is refused", () => {
  const config = join(folder, "broken.yaml");
  writeFileSync(config, "store: [");
  expect(() => chooseStore({}, { TENDRIL_AGENT_CONFIG: config })).toThrow(ConfigError);
  expect(() => chooseStore({ store: "dir:/a", storeOption: { usr: "x" } }, {})).toThrow('"--store-option.usr"');
});

test("a pair has a name, and may have more signs of equality", () => {
  expect(collectPair("a=b=c", { x: "y" })).toEqual({ x: "y", a: "b=c" });
  for (const wrong of ["a", "=b", ""]) expect(() => collectPair(wrong)).toThrow("NAME=VALUE");
});
