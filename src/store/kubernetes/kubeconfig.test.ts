import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, TendrilError } from "../../core/errors.ts";
import { podAccess } from "./access.ts";
import { kubeconfigAccess } from "./kubeconfig.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-kubeconfig-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const base64 = (text: string) => Buffer.from(text).toString("base64");
const pem = (label: string) => `-----BEGIN ${label}-----\n`;

function write(cluster: object, user: object, path = join(folder, "config")): string {
  writeFileSync(
    path,
    JSON.stringify({
      "current-context": "x",
      contexts: [
        { name: "x", context: { cluster: "c", user: "u", namespace: "shop" } },
        { name: "y", context: { cluster: "c", user: "other" } },
        { name: "z", context: { cluster: "none", user: "other" } },
      ],
      clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443/", ...cluster } }],
      users: [
        { name: "other", user: { "auth-provider": { name: "gcp" } } },
        { name: "u", user },
      ],
    }),
  );
  return path;
}

const access = (cluster: object, user: object) => kubeconfigAccess([write(cluster, user)])();

/** What is said of it. */
function refusal(source: () => unknown): string {
  try {
    source();
  } catch (error) {
    if (error instanceof TendrilError) return error.message.replaceAll(`${folder}/`, "");
    throw error;
  }
  return "none";
}

const refused = (cluster: object, user: object, context?: string) =>
  refusal(kubeconfigAccess([write(cluster, user)], { context }));

describe("a kubeconfig", () => {
  test("has certificates in it", () => {
    const [ca, cert, key] = [pem("CERTIFICATE"), pem("CERTIFICATE"), pem("PRIVATE KEY")];
    const user = { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
    expect(access({ "certificate-authority-data": base64(ca) }, user)).toEqual({
      servers: ["https://10.0.0.1:6443"],
      tls: { ca, cert, key },
      namespace: "shop",
    });
  });

  test("names files beside it, which are read each time", () => {
    const ca = pem("CERTIFICATE");
    writeFileSync(join(folder, "ca.crt"), ca);
    writeFileSync(join(folder, "token"), "one\n");
    const path = write({ "certificate-authority": "ca.crt" }, { tokenFile: join(folder, "token"), token: "stale" });
    const source = kubeconfigAccess([path], { servers: ["https://10.0.0.2:6443"] });
    const tls = { ca };
    expect(source()).toEqual({ servers: ["https://10.0.0.2:6443"], tls, token: "one", namespace: "shop" });
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
    expect(kubeconfigAccess([path])()).toEqual({ servers: ["https://a:1"], tls, token: "t" });
    writeFileSync(path, "a: [");
    expect(refusal(kubeconfigAccess([path]))).toBe('Kubeconfig "yaml": "content" is not YAML');
  });

  test("tells of another name of the server, a proxy, and as whom one asks", () => {
    const cluster = { "tls-server-name": "api.example", "proxy-url": "http://10.0.0.9:3128" };
    const user = { token: "t", as: "jane", "as-groups": ["team"], "as-uid": "7", "as-user-extra": { "a/b": ["c"] } };
    expect(access(cluster, user)).toEqual({
      servers: ["https://10.0.0.1:6443"],
      tls: { serverName: "api.example" },
      token: "t",
      headers: {
        "Impersonate-User": "jane",
        "Impersonate-Uid": "7",
        "Impersonate-Group": "team",
        "Impersonate-Extra-a%2Fb": "c",
      },
      proxy: "http://10.0.0.9:3128",
      namespace: "shop",
    });
  });

  test("is refused with the file and the field that is wrong, or that this program does not know", () => {
    const clusterField = 'Kubeconfig "config": "clusters[0].cluster';
    const userField = 'Kubeconfig "config": "users[1].user';
    expect(refused({ server: "10.0.0.1" }, {})).toBe(
      `${clusterField}.server" must be a URL such as https://10.0.0.1:6443: "10.0.0.1"`,
    );
    const ca = `${clusterField}.certificate-authority`;
    expect(refused({ "certificate-authority": "none" }, {})).toBe(`${ca}" names a file that is not there: "none"`);
    expect(refused({ "certificate-authority-data": "!" }, {})).toBe(`${ca}-data" is not base64`);
    expect(refused({ "certificate-authority-data": base64("x") }, {})).toBe(`${ca}-data" has no certificate in PEM`);
    expect(refused({ "proxy-url": "socks5://a:1" }, {})).toStartWith(`${clusterField}.proxy-url" must be a URL`);
    const cert = { "client-certificate-data": base64(pem("CERTIFICATE")) };
    expect(refused({}, cert)).toStartWith(`${userField}.client-key" is missing`);
    expect(refused({}, { tokenFile: "none" })).toBe(`${userField}.tokenFile" names a file that is not there: "none"`);
    expect(refused({}, { token: 7 })).toBe(`${userField}.token" must be a string: 7`);
    expect(refused({}, { "as-uid": "7" })).toStartWith(`${userField}.as" is missing`);
    expect(refused({}, { as: "a", "as-groups": ["b", "c"] })).toStartWith(`${userField}.as-groups" has several`);
    expect(refused({}, { exec: { command: "x" } })).toBe(`${userField}.exec.apiVersion" is missing`);
    expect(refused({}, {}, "w")).toBe('Kubeconfig "config": "contexts" has none of this name: "w"');
    const other = kubeconfigAccess([write({}, {})], { context: "w" });
    expect(other).toThrow(expect.objectContaining({ details: "There are x, y, z." }));
    expect(refused({}, {}, "y")).toBe('Kubeconfig "config": "users[0].user.auth-provider" is not supported');
    expect(refused({}, {}, "z")).toBe('Kubeconfig "config": "clusters" has none of this name: "none"');
    const path = join(folder, "twice");
    const user = { name: "u", user: {} };
    writeFileSync(path, JSON.stringify({ users: [user, user] }));
    expect(refusal(kubeconfigAccess([path]))).toBe('Kubeconfig "twice": "users" has two of this name: "u"');
    writeFileSync(path, "");
    expect(refusal(kubeconfigAccess([path]))).toStartWith('Kubeconfig "twice": "current-context" is missing');
    const none = kubeconfigAccess([join(folder, "none")], { named: "--kubeconfig" });
    expect(refusal(none)).toBe('Invalid configuration: "--kubeconfig" names a kubeconfig that is not there: "none"');
  });
});

describe("several kubeconfigs", () => {
  test("are one, in which what comes first counts, and each names files beside itself", () => {
    const [first, second] = [join(folder, "first"), join(folder, "below", "second")];
    mkdirSync(join(folder, "below"));
    writeFileSync(join(folder, "below", "ca"), pem("CERTIFICATE"));
    writeFileSync(
      first,
      JSON.stringify({
        contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
        users: [{ name: "u", user: { token: "first" } }],
      }),
    );
    writeFileSync(
      second,
      JSON.stringify({
        "current-context": "a",
        contexts: [{ name: "a", context: { cluster: "none", user: "none" } }],
        clusters: [{ name: "c", cluster: { server: "https://a:1", "certificate-authority": "ca" } }],
        users: [{ name: "u", user: { token: "second" } }],
      }),
    );
    const paths = [join(folder, "none"), first, second];
    const tls = { ca: pem("CERTIFICATE") };
    expect(kubeconfigAccess(paths)()).toEqual({ servers: ["https://a:1"], tls, token: "first" });
    expect(refusal(kubeconfigAccess(paths, { context: "b" }))).toBe(
      'Kubeconfig "first:below/second": "contexts" has none of this name: "b"',
    );
    rmSync(join(folder, "below", "ca"));
    expect(refusal(kubeconfigAccess(paths))).toStartWith('Kubeconfig "below/second": "clusters[0].cluster.certif');
  });
});

describe("a program that gives credentials", () => {
  const apiVersion = "client.authentication.k8s.io/v1";

  /** Writes a program that is run by `exec`, and writes what it is told to `<name>.info` each time. */
  function program(name: string, script: string): object {
    const path = join(folder, name);
    const note = `printf '%s\\n' "$KUBERNETES_EXEC_INFO" >>'${path}.info'`;
    writeFileSync(path, `#!/bin/sh\n${note}\n${script}\n`);
    chmodSync(path, 0o755);
    return { exec: { apiVersion, command: `./${name}`, interactiveMode: "Never" } };
  }

  const infos = (name: string) => {
    const path = join(folder, `${name}.info`);
    return existsSync(path)
      ? readFileSync(path, "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
      : [];
  };

  const answering = (status: object) => `echo '${JSON.stringify({ apiVersion, kind: "ExecCredential", status })}'`;

  test("is run beside the file, and asked again when they are over or refused", () => {
    const lasting = program("lasting", answering({ token: "a", expirationTimestamp: "2999-01-01T00:00:00Z" }));
    const source = kubeconfigAccess([write({}, lasting)]);
    for (const isRefused of [false, false, true]) expect(source(isRefused).token).toBe("a");
    expect(infos("lasting")).toHaveLength(2);
    const over = program("over", answering({ token: "a", expirationTimestamp: "2001-01-01T00:00:00Z" }));
    const short = kubeconfigAccess([write({}, over)]);
    for (const _ of [1, 2]) expect(short().token).toBe("a");
    expect(infos("over")).toHaveLength(2);
  });

  test("may give a certificate, and has arguments, variables, and facts of the cluster", () => {
    const [clientCertificateData, clientKeyData] = [pem("CERTIFICATE"), pem("PRIVATE KEY")];
    const status = JSON.stringify({ clientCertificateData, clientKeyData }).replaceAll("\\", "\\\\");
    const script = `[ "$1 $WHO" = "get me" ] && printf '{"apiVersion":"${apiVersion}","kind":"ExecCredential","status":%b}' '${status}'`;
    const { exec } = program("certificates", script) as { exec: object };
    const more = { args: ["get"], env: [{ name: "WHO", value: "me" }], provideClusterInfo: true };
    const extensions = [{ name: "client.authentication.k8s.io/exec", extension: { audience: "x" } }];
    const { tls, token } = access({ extensions, "tls-server-name": "api" }, { exec: { ...exec, ...more } });
    expect([tls, token]).toEqual([{ serverName: "api", cert: clientCertificateData, key: clientKeyData }, undefined]);
    const cluster = { server: "https://10.0.0.1:6443", "tls-server-name": "api", config: { audience: "x" } };
    const spec = { interactive: false, cluster };
    expect(infos("certificates")).toEqual([{ apiVersion, kind: "ExecCredential", spec }]);
  });

  test("is not asked where the file has a token", () => {
    expect(access({}, { ...program("idle", "exit 1"), token: "own" }).token).toBe("own");
    expect(infos("idle")).toEqual([]);
  });

  test("that fails is told of, with what it said and how to get it", () => {
    const failing = (script: string) => refused({}, program("failing", script));
    const sentence = (why: string) => `Credential program "./failing" of the kubeconfig has failed: ${why}`;
    expect(failing("echo log in first >&2; exit 3")).toBe(sentence("exit status 3: log in first"));
    expect(failing("echo nonsense")).toStartWith(sentence("its answer is not JSON"));
    expect(failing("echo '{}'")).toBe(sentence('in its answer "apiVersion" is missing'));
    expect(failing(answering({}))).toBe(sentence("it gives neither a token nor a certificate"));
    expect(failing(answering({ token: "t", expirationTimestamp: "soon" }))).toBe(sentence('"soon" is no time'));
    const other = answering({ token: "t" }).replace("k8s.io/v1", "k8s.io/v1beta1");
    expect(failing(other)).toBe(sentence(`it answers in "${apiVersion}beta1", not "${apiVersion}"`));
    const exec = { apiVersion, command: "no-such-program-of-all", installHint: "get it somewhere" };
    const source = kubeconfigAccess([write({}, { exec })]);
    expect(refusal(source)).toStartWith(
      'Credential program "no-such-program-of-all" of the kubeconfig has failed: it cannot',
    );
    expect(source).toThrow(expect.objectContaining({ details: "get it somewhere" }));
    expect(refused({}, { exec: { ...exec, interactiveMode: "Always" } })).toEndWith("there is no terminal");
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
