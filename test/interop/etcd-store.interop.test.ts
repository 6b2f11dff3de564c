/** The store on a real etcd. */

import { afterEach, describe, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdClient, EtcdError, type EtcdOptions } from "../../src/store/etcd/client.ts";
import { EtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { StoreUnavailableError } from "../../src/store/store.ts";
import { type EtcdServer, type EtcdStart, startEtcd } from "../support/etcd.ts";
import { needs, program } from "../support/needs.ts";
import { storeConformance } from "../support/store-conformance.ts";

storeConformance(
  "etcd",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tendril-etcd-"));
    let etcd = await startEtcd({ folder });
    const { endpoint, port } = etcd;
    return {
      client: () => new EtcdStore({ endpoints: [endpoint], timeout: 2000 }),
      stop: () => etcd.kill(),
      async start() {
        etcd = await startEtcd({ folder, port });
      },
      async compact() {
        const client = new EtcdClient({ endpoints: [endpoint] });
        const { header } = await client.call<{ header: { revision: string } }>("kv/range", { key: "AA==" });
        await client.call("kv/compaction", { revision: header.revision, physical: true });
        client.close();
      },
      async dispose() {
        await etcd.kill();
        rmSync(folder, { recursive: true });
      },
    };
  },
  program("etcd"),
);

describe("etcd", () => {
  const test = needs(program("etcd"), program("openssl"));
  const folders: string[] = [];
  const servers: EtcdServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.kill();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  const fresh = () => {
    const folder = mkdtempSync(join(tmpdir(), "tendril-etcd-"));
    folders.push(folder);
    return folder;
  };
  const start = async (options: EtcdStart) => {
    const server = await startEtcd(options);
    servers.push(server);
    return server;
  };

  test("is reached by TLS with a client's certificate, and not without, nor when it is somebody else", async () => {
    const folder = fresh();
    const certificates = makeCertificates(folder);
    const { ca, cert, key } = certificates.client;
    const { endpoint } = await start({
      folder,
      scheme: "https",
      flags: [
        ...["--cert-file", certificates.server.cert, "--key-file", certificates.server.key],
        ...["--trusted-ca-file", certificates.ca, "--client-cert-auth"],
      ],
      isReady: (endpoint) => reaches({ endpoints: [endpoint], tls: { ca, cert, key } }),
    });
    expect(await reaches({ endpoints: [endpoint], tls: { ca, cert, key } })).toBe(true);
    expect(await reaches({ endpoints: [endpoint], tls: { ca } })).toBe(false);
    expect(await reaches({ endpoints: [endpoint], tls: { cert, key } })).toBe(false);
  });

  test("asks for a user, whose token is asked for anew when the server has forgotten it", async () => {
    const folder = fresh();
    const server = await start({ folder });
    const { endpoint, port } = server;
    const admin = new EtcdClient({ endpoints: [endpoint] });
    await admin.call("auth/user/add", { name: "root", password: "secret" });
    await admin.call("auth/role/add", { name: "root" });
    await admin.call("auth/user/grant", { user: "root", role: "root" });
    await admin.call("auth/enable", {});
    admin.close();
    const store = new EtcdStore({ endpoints: [endpoint], user: { name: "root", password: "secret" } });
    await store.create("secret", "a", 1);
    for (const user of [undefined, { name: "root", password: "wrong" }, { name: "nobody", password: "secret" }]) {
      const stranger = new EtcdStore({ endpoints: [endpoint], user });
      await expect(stranger.get("secret", "a")).rejects.toBeInstanceOf(EtcdError);
      await stranger.close();
    }
    await server.kill();
    await start({ folder, port });
    expect(await store.get("secret", "a")).toMatchObject({ value: 1 });
    await store.close();
  });

  test("is reached by another endpoint when the first is dead", async () => {
    const dead = await start({ folder: fresh() });
    await dead.kill();
    const { endpoint } = await start({ folder: fresh() });
    const store = new EtcdStore({ endpoints: [dead.endpoint, endpoint] });
    await store.create("found", "a", 1);
    expect(await store.get("found", "a")).toMatchObject({ value: 1 });
    await store.close();
  });

  test("keeps documents of other prefixes apart", async () => {
    const { endpoint } = await start({ folder: fresh() });
    const [one, two] = ["/one", "/one/two"].map((prefix) => new EtcdStore({ endpoints: [endpoint], prefix }));
    await one?.create("kept", "a", 1);
    await two?.create("kept", "a", 2);
    expect((await one?.list("kept"))?.entries).toMatchObject([{ name: "a", value: 1 }]);
    expect((await two?.list("kept"))?.entries).toMatchObject([{ name: "a", value: 2 }]);
    await one?.close();
    await two?.close();
  });

  test("lists more documents than one answer may hold", async () => {
    const { endpoint } = await start({ folder: fresh() });
    const store = new EtcdStore({ endpoints: [endpoint] });
    const names = Array.from({ length: 2100 }, (_, i) => `n${String(i).padStart(4, "0")}`);
    for (let i = 0; i < names.length; i += 100) {
      await Promise.all(names.slice(i, i + 100).map((name) => store.create("many", name, name)));
    }
    expect((await store.list("many")).entries.map(({ name }) => name)).toEqual(names);
    await store.close();
  });
});

/** Whether a client with these options gets an answer. */
async function reaches(options: EtcdOptions): Promise<boolean> {
  const client = new EtcdClient({ ...options, timeout: 2000 });
  try {
    await client.call("kv/range", { key: "AA==" });
    return true;
  } catch (error) {
    if (error instanceof StoreUnavailableError) return false;
    throw error;
  } finally {
    client.close();
  }
}

/** An authority, and certificates by it for a server on the loopback and for a client. */
function makeCertificates(folder: string) {
  const openssl = (...args: readonly string[]) => {
    const done = Bun.spawnSync(["openssl", ...args], { cwd: folder });
    if (done.exitCode !== 0) throw new Error(`openssl ${args.join(" ")}: ${done.stderr}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", "-days", "1");
  const sign = (name: string, extension: string) => {
    writeFileSync(join(folder, `${name}.ext`), extension);
    openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-out", `${name}.crt`, "-days", "1", "-extfile", `${name}.ext`],
    );
    return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  };
  const server = sign("server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth");
  const client = sign("client", "extendedKeyUsage=clientAuth");
  const read = (path: string) => readFileSync(path, "utf8");
  const ca = join(folder, "ca.crt");
  return { ca, server, client: { ca: read(ca), cert: read(client.cert), key: read(client.key) } };
}
