import { expect, test } from "bun:test";
import { heartbeatDocuments } from "../../core/cluster.ts";
import { customResourceDefinitions } from "./crds.ts";
import { clusterResources } from "./resources.ts";

const { heartbeats, leaders, ...others } = clusterResources();

test("a heartbeat is given back as it was written, and one that somebody has broken is no document", () => {
  const value = { version: 1, incarnation: "i", beats: 3, more: [null] };
  const object = heartbeats?.objectOf(value);
  expect(object).toMatchObject({ kind: "Lease", spec: { holderIdentity: "i" } });
  const annotations = object?.metadata?.annotations ?? {};
  expect(heartbeats?.valueOf({ metadata: { name: "a", annotations } })).toEqual(value);
  for (const metadata of [{ name: "a" }, { name: "a", annotations: { "tendril.dev/heartbeat": "{" } }]) {
    const found = heartbeats?.valueOf({ metadata });
    expect(() => heartbeatDocuments.parse(found)).toThrow("configuration");
  }
});

test("every other kind has a custom resource of the group", () => {
  const names = customResourceDefinitions().map(({ metadata }) => metadata.name);
  const paths = Object.values(others).map(({ path }) => path);
  expect(names.map((name) => `/apis/tendril.dev/v1/${name.replace(".tendril.dev", "")}`).sort()).toEqual(paths.sort());
});

test("who leads is said in a Lease's own words, renewed with each change", () => {
  const spec = { holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 2 };
  const object = leaders?.objectOf(spec);
  expect(object).toMatchObject({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", spec });
  expect(object?.spec).toHaveProperty("renewTime", expect.stringMatching(/\.\d{6}Z$/));
  expect(leaders?.patchOf(spec)).toMatchObject([{ path: "/spec", value: spec }]);
  expect(leaders?.valueOf({ metadata: { name: "l" }, spec })).toEqual(spec);
});
