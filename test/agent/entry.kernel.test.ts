/** The executable's entry, which asks the agent before the runtime starts: what it sends, and when it leaves the call. */

import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVersions } from "../../src/cni/versions.ts";
import { AGENT_SOCKET, decodeCall, encodeAnswer, type ResidentAnswer } from "../../src/core/resident.ts";
import { bootClock } from "../../src/linux/boot-clock.ts";
import { needs } from "../support/needs.ts";
import { expectBuilt, PLUGINS } from "../support/plugin-calls.ts";
import { tendril } from "../support/programs.ts";

beforeAll(expectBuilt);
const test = needs(() => (process.arch === "x64" ? undefined : "the entry is code for x86-64"));
const folder = mkdtempSync(join(tmpdir(), "tendril-entry-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Far more than all that is sent in a piece. */
const LONG = 9 << 20;

interface Listener {
  stop(closeActive: boolean): void;
}
const listeners: Listener[] = [];
afterEach(() => {
  for (const listener of listeners.splice(0)) listener.stop(true);
});

/** What to do with a connection that has sent a whole request. */
type Answering = (write: (bytes: Uint8Array | string) => Promise<void>, body: Uint8Array) => Promise<void> | void;

/** Somebody who listens in place of an agent, and ends the connection when the answer is given. */
function listen(answering: Answering): { readonly runFolder: string; readonly requests: Buffer[] } {
  const runFolder = join(folder, "run");
  mkdirSync(runFolder, { recursive: true });
  rmSync(join(runFolder, AGENT_SOCKET), { force: true });
  const requests: Buffer[] = [];
  listeners.push(
    Bun.listen<{ received: Buffer }>({
      unix: join(runFolder, AGENT_SOCKET),
      socket: {
        open: (socket) => {
          socket.data = { received: Buffer.alloc(0) };
        },
        data: async (socket, piece) => {
          socket.data.received = Buffer.concat([socket.data.received, piece]);
          const { received } = socket.data;
          const end = received.indexOf("\r\n\r\n") + 4;
          const length = Number(/Content-Length: (\d{10})\r\n\r\n$/.exec(received.toString("latin1", 0, end))?.[1]);
          if (received.length < end + length) return;
          requests.push(received);
          const write = async (bytes: Uint8Array | string) => {
            socket.write(bytes);
            socket.flush();
            await Bun.sleep(20);
          };
          await answering(write, received.subarray(end));
          socket.end();
        },
      },
    }),
  );
  return { runFolder, requests };
}

const answerHead = (status: string) => `HTTP/1.1 ${status}\r\nDate: today\r\n\r\n`;
const answered =
  (answer: ResidentAnswer): Answering =>
  async (write) => {
    await write(answerHead("200 OK"));
    await write(encodeAnswer(answer));
  };

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly runFolder: string;
  readonly stdin?: string | Blob;
  readonly env?: Readonly<Record<string, string>>;
  readonly cmd?: readonly string[];
}

async function run({ runFolder, stdin = INPUT, env, cmd = [`${PLUGINS}/bridge`] }: Started): Promise<Ended> {
  const process = Bun.spawn({
    cmd: [...cmd],
    stdin: typeof stdin === "string" ? new Blob([stdin]) : stdin,
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: "/bin", TENDRIL_RUN_DIR: runFolder, CNI_COMMAND: "VERSION", SECRET: "s", ...env },
  });
  const [stdout, stderr] = await Promise.all([process.stdout.text(), process.stderr.text()]);
  return { status: await process.exited, stdout, stderr };
}

const INPUT = JSON.stringify({ cniVersion: "0.4.0" });
/** What the runtime answers to that input. */
const BY_RUNTIME = { status: 0, stdout: formatVersions(INPUT), stderr: "" };
/** What an agent is made to answer, to tell it from that. */
const BY_AGENT: ResidentAnswer = { status: 1, stdout: '{"who":"agent"}\n', stderr: "said\n" };

describe("what the agent is sent", () => {
  test("says how the process was called, and nothing else of its environment", async () => {
    const { runFolder, requests } = listen(answered(BY_AGENT));
    const env = { CNI_COMMAND: "ADD", CNI_ARGS: "a=b;c=ü", CNI_PATH: "", CNI_CONTAINERID: "c1" };
    const begun = bootClock();
    expect(await run({ runFolder, env, stdin: '{"name":"Grüße"}' })).toEqual(BY_AGENT);
    expect(requests).toHaveLength(1);
    const request = requests[0] ?? Buffer.alloc(0);
    expect(request.toString("latin1")).not.toContain("SECRET");
    const end = request.indexOf("\r\n\r\n") + 4;
    expect(request.toString("latin1", 0, end)).toBe(
      `POST /cni HTTP/1.1\r\nHost: tendril\r\nConnection: close\r\nContent-Length: ${String(request.length - end).padStart(10, "0")}\r\n\r\n`,
    );
    const { until, ...call } = decodeCall(request.subarray(end), (name) => name);
    expect(call).toEqual({
      type: "bridge",
      env,
      stdin: '{"name":"Grüße"}',
      namespaces: { net: readlinkSync("/proc/self/ns/net"), mnt: readlinkSync("/proc/self/ns/mnt") },
    });
    expect(until).toBeGreaterThanOrEqual(begun + 60_000);
    expect(until).toBeLessThan(bootClock() + 60_000);
  });

  test("may be long", async () => {
    const { runFolder, requests } = listen(answered(BY_AGENT));
    const stdin = JSON.stringify({ filler: "x".repeat(3 << 20) });
    const args = "y".repeat(120_000);
    expect(await run({ runFolder, stdin, env: { CNI_ARGS: args } })).toEqual(BY_AGENT);
    const [request = Buffer.alloc(0)] = requests;
    const call = decodeCall(request.subarray(request.indexOf("\r\n\r\n") + 4), (name) => name);
    expect({ length: call.stdin.length, args: call.env.CNI_ARGS?.length }).toEqual({
      length: stdin.length,
      args: args.length,
    });
  });
});

describe("an answer", () => {
  test("is put together from its pieces", async () => {
    const answer: ResidentAnswer = { status: 0, stdout: "z".repeat(1 << 20), stderr: "" };
    const { runFolder } = listen(async (write) => {
      const head = answerHead("200 OK");
      const body = encodeAnswer(answer);
      for (const cut of [3, 17, head.length - 2]) await write(head.slice(cut === 3 ? 0 : cut === 17 ? 3 : 17, cut));
      await write(head.slice(-2));
      for (const [from, to] of [
        [0, 5],
        [5, 24],
        [24, 100],
      ]) {
        await write(body.subarray(from, to));
      }
      // The socket takes as much as its buffer has room for.
      for (let at = 100; at < body.length; at += 65_536) await write(body.subarray(at, at + 65_536));
    });
    expect(await run({ runFolder })).toEqual(answer);
  });

  test("may be empty", async () => {
    const { runFolder } = listen(answered({ status: 0, stdout: "", stderr: "" }));
    expect(await run({ runFolder })).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("is waited for by a process that is stopped in between", async () => {
    let pid = 0;
    const { runFolder } = listen(async (write) => {
      process.kill(pid, "SIGSTOP");
      await Bun.sleep(50);
      process.kill(pid, "SIGCONT");
      await Bun.sleep(50);
      await write(answerHead("200 OK"));
      await write(encodeAnswer(BY_AGENT));
    });
    const started = Bun.spawn({
      cmd: [`${PLUGINS}/bridge`],
      stdin: new Blob([INPUT]),
      stdout: "pipe",
      stderr: "ignore",
      env: { TENDRIL_RUN_DIR: runFolder, CNI_COMMAND: "VERSION" },
    });
    pid = started.pid;
    expect(await started.stdout.text()).toBe(BY_AGENT.stdout);
    expect(await started.exited).toBe(BY_AGENT.status);
  });
});

describe("the process does the work itself, with all of its input,", () => {
  const refusals: readonly [string, Answering][] = [
    ["when the agent leaves the call to it", (write) => write(answerHead("409 Conflict"))],
    ["when the agent has failed", (write) => write(answerHead("500 Internal Server Error"))],
    ["when the agent is gone before it answers", () => {}],
    ["when the answer is cut in its head", (write) => write("HTTP/1.1 200 OK\r\n")],
    ["when the answer is cut in its numbers", (write) => write(`${answerHead("200 OK")}12345`)],
    [
      "when the answer is cut in its text",
      async (write) => {
        await write(answerHead("200 OK"));
        await write(encodeAnswer(BY_AGENT).subarray(0, -1));
      },
    ],
    ["when it is answered by something else", (write) => write("SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n")],
  ];
  for (const [when, answering] of refusals) {
    test(when, async () => {
      const { runFolder, requests } = listen(answering);
      expect(await run({ runFolder })).toEqual(BY_RUNTIME);
      expect(requests).toHaveLength(1);
    });
  }

  test("when that is longer than what is handed over", async () => {
    const { runFolder, requests } = listen(answered(BY_AGENT));
    const stdin = JSON.stringify({ filler: "x".repeat(LONG), cniVersion: "0.4.0" });
    expect(await run({ runFolder, stdin })).toEqual(BY_RUNTIME);
    expect(requests).toEqual([]);
  });

  test("when nobody listens", async () => {
    expect(await run({ runFolder: join(folder, "nobody") })).toEqual(BY_RUNTIME);
    const { runFolder } = listen(answered(BY_AGENT));
    for (const listener of listeners.splice(0)) listener.stop(true);
    expect(await run({ runFolder })).toEqual(BY_RUNTIME);
  });

  test("when the socket's path is too long for one", async () => {
    for (const length of [90, 94, 95, 96, 97, 98, 200]) {
      expect(await run({ runFolder: `/${"p".repeat(length)}` })).toEqual(BY_RUNTIME);
    }
  });
});

describe("the agent is not asked", () => {
  test("by a command for people", async () => {
    const { runFolder, requests } = listen(answered(BY_AGENT));
    const { status, stdout } = await run({ runFolder, cmd: [tendril, "--help"] });
    expect({ status, begin: stdout.slice(0, 13) }).toEqual({ status: 0, begin: "Usage: tendri" });
    const bare = await run({ runFolder, cmd: [tendril], env: { CNI_COMMAND: "" } });
    expect(bare.stdout + bare.stderr).toContain("Usage: tendril");
    expect(requests).toEqual([]);
  });
});

test("who has closed its standard files is served as ever", async () => {
  const { runFolder, requests } = listen(answered(BY_AGENT));
  const closed = (files: string) => run({ runFolder, cmd: ["sh", "-c", `exec ${PLUGINS}/bridge ${files}`] });
  expect(await closed("<&-")).toEqual({ ...BY_RUNTIME, stdout: formatVersions("") });
  expect(requests).toEqual([]);
  expect(await closed("2>&-")).toEqual(BY_RUNTIME);
});
