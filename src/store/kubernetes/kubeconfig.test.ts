import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, UnsupportedFieldError } from "../../core/errors.ts";
import { podAccess } from "./access.ts";
import { kubeconfigAccess } from "./kubeconfig.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-kubeconfig-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const base64 = (text: string) => Buffer.from(text).toString("base64");

function write(cluster: object, user: object): string {
  const path = join(folder, "config");
  writeFileSync(
    path,
    JSON.stringify({
      "current-context": "x",
      contexts: [
        { name: "x", context: { cluster: "c", user: "u" } },
        { name: "y", context: { cluster: "c", user: "other" } },
      ],
      clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443/", ...cluster } }],
      users: [
        { name: "other", user: { exec: { command: "x" } } },
        { name: "u", user },
      ],
    }),
  );
  return path;
}

function refused(cluster: object, user: object, context?: string): string {
  try {
    kubeconfigAccess(write(cluster, user), { context })();
  } catch (error) {
    if (error instanceof ConfigError) return error.field;
    throw error;
  }
  return "none";
}

describe("a kubeconfig", () => {
  test("has certificates in it", () => {
    const user = { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") };
    expect(kubeconfigAccess(write({ "certificate-authority-data": base64("CA") }, user))()).toEqual({
      servers: ["https://10.0.0.1:6443"],
      tls: { ca: "CA", cert: "CERT", key: "KEY" },
    });
  });

  test("names files beside it, which are read each time", () => {
    writeFileSync(join(folder, "ca.crt"), "CA");
    writeFileSync(join(folder, "token"), "one\n");
    const path = write({ "certificate-authority": "ca.crt" }, { tokenFile: join(folder, "token"), token: "stale" });
    const source = kubeconfigAccess(path, { servers: ["https://10.0.0.2:6443"] });
    expect(source()).toEqual({ servers: ["https://10.0.0.2:6443"], tls: { ca: "CA" }, token: "one" });
    writeFileSync(join(folder, "token"), "two");
    expect(source().token).toBe("two");
  });

  test("in YAML, without a check of the server where it says so", () => {
    const path = join(folder, "yaml");
    writeFileSync(
      path,
      `
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters:
- name: c
  cluster: {server: https://a:1, insecure-skip-tls-verify: true}
users:
- name: u
  user: {token: t}
`,
    );
    const tls = { rejectUnauthorized: false as const };
    expect(kubeconfigAccess(path)()).toEqual({ servers: ["https://a:1"], tls, token: "t" });
    writeFileSync(path, "a: [");
    expect(kubeconfigAccess(path)).toThrow("is not YAML");
  });

  test("is refused with the field that is wrong, or that this program does not know", () => {
    expect(refused({ server: "10.0.0.1" }, {})).toBe("clusters[0].cluster.server");
    expect(refused({ "certificate-authority": "none" }, {})).toBe("certificate-authority");
    expect(refused({ "tls-server-name": "x" }, {})).toBe("clusters[0].cluster.tls-server-name");
    expect(refused({}, {}, "z")).toBe("contexts");
    expect(refused({}, {}, "y")).toBe("users[0].user.exec");
    expect(kubeconfigAccess(write({}, { exec: {} }))).toThrow(UnsupportedFieldError);
  });
});

describe("a pod", () => {
  const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

  test("has its account's token, which is read each time, and the server's address in its environment", () => {
    writeFileSync(join(folder, "ca.crt"), "CA");
    writeFileSync(join(folder, "token"), "one\n");
    const source = podAccess(env, undefined, folder);
    expect(source()).toEqual({ servers: ["https://10.96.0.1:443"], tls: { ca: "CA" }, token: "one" });
    writeFileSync(join(folder, "token"), "two\n");
    expect(source().token).toBe("two");
    const six = podAccess({ ...env, KUBERNETES_SERVICE_HOST: "fd00::1" }, undefined, folder)();
    expect(six.servers).toEqual(["https://[fd00::1]:443"]);
    expect(podAccess({}, ["https://a:1"], folder)().servers).toEqual(["https://a:1"]);
  });

  test("is where this process does not run when something of it is missing", () => {
    expect(podAccess({}, undefined, folder)).toThrow(ConfigError);
    expect(podAccess(env, undefined, join(folder, "none"))).toThrow(ConfigError);
  });
});
