import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { DirectoryStore } from "./directory/directory-store.ts";
import { EtcdStore } from "./etcd/etcd-store.ts";
import { KubernetesStore } from "./kubernetes/kubernetes-store.ts";
import { openStore, type StoreOptions, storeOptions } from "./open.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-open-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The field that is refused. */
function refused(url: string, options?: StoreOptions): string {
  try {
    openStore(url, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.field;
    throw error;
  }
  return "none";
}

describe("a store by its address", () => {
  test("is a folder, which is made only when asked for", async () => {
    const path = join(folder, "below", "store");
    const away = openStore(`dir:${path}`);
    expect(away).toBeInstanceOf(DirectoryStore);
    await expect(away.list("nodes")).rejects.toThrow("is not there");
    const store = openStore(`dir://${path}/`, {}, { make: true });
    const revision = await store.create("nodes", "a", 1);
    expect((await away.get("nodes", "a"))?.revision).toBe(revision);
    for (const one of [away, store]) await one.close();
  });

  test("is an etcd with several endpoints, IPv6 ones too", () => {
    for (const url of ["etcd://10.0.0.1:2379", "etcds://a.b:2379,c-d:2379", "etcd://[fd00::1]:2379/", "etcd:h:1"]) {
      expect(openStore(url)).toBeInstanceOf(EtcdStore);
    }
  });

  test("is asked over TLS, and as a user, when the options say so", () => {
    const file = join(folder, "pem");
    writeFileSync(file, "-----BEGIN\n");
    const options = { ca: file, cert: file, key: file, user: "root", passwordFile: file, prefix: "/a/b" };
    expect(openStore("etcd://h:1", options)).toBeInstanceOf(EtcdStore);
  });

  test("is the Kubernetes of a kubeconfig", () => {
    const file = join(folder, "kubeconfig");
    const cluster = { name: "c", cluster: { server: "https://10.0.0.1:6443" } };
    const context = { name: "x", context: { cluster: "c", user: "u" } };
    const user = { name: "u", user: { token: "t" } };
    writeFileSync(file, JSON.stringify({ clusters: [cluster], contexts: [context], users: [user] }));
    expect(refused(`kubernetes:${file}`)).toBe("current-context");
    for (const url of [`kubernetes:${file}`, `kubernetes://${file}`]) {
      const options = { context: "x", server: "https://10.0.0.2:6443,https://[fd00::1]:6443", namespace: "n" };
      expect(openStore(url, options)).toBeInstanceOf(KubernetesStore);
    }
    expect(refused(`kubernetes:${file}`, { context: "x", server: "10.0.0.2" })).toBe("storeOptions.server");
    expect(refused(`kubernetes:${file}`, { context: "x", prefix: "/a" })).toBe("storeOptions.prefix");
    expect(refused(`kubernetes:${folder}/none`)).toBe("store");
    expect(refused("kubernetes:kubeconfig")).toBe("store");
    const { KUBECONFIG, KUBERNETES_SERVICE_HOST, HOME } = process.env;
    try {
      Object.assign(process.env, { KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "", HOME: join(folder, "nobody") });
      expect(refused("kubernetes:", { context: "x" })).toBe("storeOptions.context");
      expect(refused("kubernetes:", { server: "https://10.0.0.2:6443" })).toBe("store");
      process.env.KUBECONFIG = file;
      expect(openStore("kubernetes:", { context: "x" })).toBeInstanceOf(KubernetesStore);
    } finally {
      Object.assign(process.env, { KUBECONFIG, KUBERNETES_SERVICE_HOST, HOME });
      for (const [name, value] of Object.entries({ KUBECONFIG, KUBERNETES_SERVICE_HOST })) {
        if (value === undefined) delete process.env[name];
      }
    }
  });

  test("is refused with the field that is wrong", () => {
    for (const url of ["", "/x", "dir:x", "dir:", "file:/x", "http://h:1"]) expect(refused(url)).toBe("store");
    for (const url of ["etcd://", "etcd://h", "etcd://h:0", "etcd://h:70000", "etcd://h:1,", "etcd://u@h:1"]) {
      expect(refused(url)).toBe("store");
    }
    expect(refused("etcd://h:1", { cert: "/x" })).toBe("storeOptions.key");
    expect(refused("etcd://h:1", { user: "x" })).toBe("storeOptions.passwordFile");
    expect(refused("etcd://h:1", { ca: join(folder, "none") })).toBe("storeOptions.ca");
    for (const prefix of ["a", "/a/", "/"]) expect(refused("etcd://h:1", { prefix })).toBe("storeOptions.prefix");
    expect(refused("dir:/x", { user: "x" })).toBe("storeOptions.user");
    expect(refused("etcd://h:1", { context: "x" })).toBe("storeOptions.context");
  });

  test("has no options but those that are known", () => {
    expect(storeOptions({ user: "u" }, "storeOptions").user).toBe("u");
    expect(() => storeOptions({ pasword: "x" }, "storeOptions")).toThrow('"storeOptions.pasword" is no option');
  });
});
