/**
 * Asks web servers at a constant rate, whatever becomes of the requests before: each by a connection of its own, and by
 * one that is kept. Ends when its standard input does, and prints what came of it. Run by load.ts.
 */

import { connect, type Socket } from "node:net";

export interface LoadTask {
  readonly targets: readonly { readonly address: string; readonly port: number }[];
  /** Requests per second, to each target in each of the two ways. */
  readonly rate: number;
  /** After how many milliseconds a request is lost. */
  readonly patience: number;
}

export interface LoadResult {
  readonly asked: number;
  readonly lost: number;
  /** Milliseconds that the slowest answer took. */
  readonly slowest: number;
  /** When the last of the lost ones was, in milliseconds since the epoch; 0 where none was. */
  readonly lastLost: number;
  /** Why requests were lost, each kind once. */
  readonly reasons: readonly string[];
}

/** By which way a request was made. */
export type LoadResults = Readonly<Record<"fresh" | "kept", LoadResult>>;

const REQUEST = "GET /hostname HTTP/1.1\r\nHost: test\r\n";

interface Count {
  asked: number;
  lost: number;
  slowest: number;
  lastLost: number;
  pending: number;
  readonly reasons: Set<string>;
}

/** One request; either it is answered or it is lost. */
interface Asked {
  answered(): void;
  lost(reason: string): void;
}

function ask(count: Count, patience: number, abandon: () => void): Asked {
  const start = performance.now();
  let isOver = false;
  const end = (): boolean => {
    if (isOver) return false;
    isOver = true;
    clearTimeout(timer);
    count.pending--;
    return true;
  };
  count.asked++;
  count.pending++;
  const asked: Asked = {
    answered() {
      if (end()) count.slowest = Math.max(count.slowest, performance.now() - start);
    },
    lost(reason) {
      if (!end()) return;
      count.lost++;
      count.lastLost = Date.now();
      count.reasons.add(`${reason}, ${new Date().toISOString()}`);
    },
  };
  const timer = setTimeout(() => {
    asked.lost(`no answer within ${patience} ms`);
    abandon();
  }, patience);
  return asked;
}

type Target = LoadTask["targets"][number];

function askFreshly({ address, port }: Target, count: Count, patience: number): void {
  const socket = connect({ host: address, port });
  const asked = ask(count, patience, () => socket.destroy());
  let text = "";
  socket.on("connect", () => socket.write(`${REQUEST}Connection: close\r\n\r\n`));
  socket.on("data", (bytes) => {
    text += bytes.toString();
  });
  socket.on("error", (error) => asked.lost(error.message));
  socket.on("close", () => (text.startsWith("HTTP/1.1 200 ") ? asked.answered() : asked.lost(`answered "${text}"`)));
}

/** Gives a function that asks by a connection which is made anew only when it has ended. */
function keptConnection({ address, port }: Target, count: Count, patience: number): () => void {
  let socket: Socket | undefined;
  let waiting: Asked[] = [];
  const open = (): Socket => {
    const made = connect({ host: address, port });
    const own: Asked[] = [];
    waiting = own;
    let text = "";
    made.setNoDelay(true);
    made.on("data", (bytes) => {
      text += bytes.toString();
      for (;;) {
        const head = /^HTTP\/1\.1 200 [\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n/i.exec(text);
        if (head === null || text.length < head[0].length + Number(head[1])) return;
        text = text.slice(head[0].length + Number(head[1]));
        own.shift()?.answered();
      }
    });
    const end = (reason: string) => {
      for (const asked of own.splice(0)) asked.lost(reason);
      if (socket === made) socket = undefined;
    };
    made.on("error", (error) => end(error.message));
    made.on("close", () => end("the kept connection was closed"));
    return made;
  };
  return () => {
    socket ??= open();
    const used = socket;
    waiting.push(ask(count, patience, () => used.destroy()));
    used.write(`${REQUEST}\r\n`);
  };
}

async function main({ targets, rate, patience }: LoadTask): Promise<void> {
  const none = (): Count => ({ asked: 0, lost: 0, slowest: 0, lastLost: 0, pending: 0, reasons: new Set() });
  const counts = { fresh: none(), kept: none() };
  const kept = targets.map((target) => keptConnection(target, counts.kept, patience));
  const ticking = setInterval(() => {
    for (const target of targets) askFreshly(target, counts.fresh, patience);
    for (const askByKept of kept) askByKept();
  }, 1000 / rate);
  console.log("asking");
  for await (const _ of Bun.stdin.stream()) {
    // It says nothing; that it ends is the word.
  }
  clearInterval(ticking);
  while (counts.fresh.pending + counts.kept.pending > 0) await Bun.sleep(10);
  const result = ({ asked, lost, slowest, lastLost, reasons }: Count): LoadResult => ({
    ...{ asked, lost, slowest: Math.round(slowest), lastLost },
    reasons: [...reasons].slice(0, 10),
  });
  console.log(JSON.stringify({ fresh: result(counts.fresh), kept: result(counts.kept) } satisfies LoadResults));
  process.exit(0);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "") as LoadTask);
