/**
 * How a plugin's process has its call served by the node's agent, which is there already and need not start.
 *
 * The agent listens on a socket in the run folder and speaks HTTP, so that people can ask it too. The process hands over
 * what it was called with and writes out what it gets back. Both bodies are numbers of eight bytes, little endian, with
 * texts in UTF-8 behind them, for most of those who ask are instructions without a runtime (`src/entry/`).
 */

/** The socket's name in the run folder. */
export const AGENT_SOCKET = "agent.sock";

/** Where calls are posted. */
export const CALL_PATH = "/cni";

/**
 * How long a process waits, in milliseconds. Nothing that the agent does for a call takes so long; one that has stopped
 * would keep it for ever.
 */
export const CALL_TIMEOUT = 60_000;

/** The variables of the protocol, and the one by which the reference plugins permit the host's own namespace. */
export const CALL_VARIABLES = [
  "CNI_COMMAND",
  "CNI_CONTAINERID",
  "CNI_NETNS",
  "CNI_IFNAME",
  "CNI_ARGS",
  "CNI_PATH",
  "CNI_NETNS_OVERRIDE",
] as const;

/** One execution of a plugin. */
export interface ResidentCall {
  /** The plugin's type, where the name of the executable told it. */
  readonly type?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  /**
   * The namespaces that the process is in: the agent serves only who sees the same network and the same files, or, from
   * a container, what needs no more of the host's files than namespaces.
   */
  readonly namespaces: Namespaces;
  /**
   * In milliseconds since the boot: then the process waits no more and does the work itself, so that an agent which had
   * stopped for so long must not begin it.
   */
  readonly until: number;
}

/** What the kernel's links say of each, such as `net:[4026531840]`. @see namespaces(7) */
export interface Namespaces {
  readonly net: string;
  readonly mnt: string;
}

/** How the execution ends. */
export interface ResidentAnswer {
  readonly status: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}

/** In bytes. */
export const NUMBER = 8;

/**
 * What a call's body begins with: the lengths of its four texts, which follow in this order, and until when the process
 * waits, in seconds and nanoseconds since the boot. The first text has the name that the executable was started under and
 * `NAME=VALUE` for each of the protocol's variables, each with a zero behind it; the others are what
 * {@link ResidentCall} says.
 */
export const CALL_NUMBERS = ["strings", "net", "mnt", "stdin", "seconds", "nanoseconds"] as const;

/** What an answer's body begins with: the exit status, and the lengths of its two texts. */
export const ANSWER_NUMBERS = ["status", "stdout", "stderr"] as const;

/** The length of a body is given with so many digits, so that it can be filled in afterwards. */
export const LENGTH_DIGITS = 10;

/** What a request begins with. Its body has so many bytes. @see RFC 9112, 3 */
export function requestHead(length: number): string {
  const digits = String(length).padStart(LENGTH_DIGITS, "0");
  return `POST ${CALL_PATH} HTTP/1.1\r\nHost: tendril\r\nConnection: close\r\nContent-Length: ${digits}\r\n\r\n`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The body of a call. `name` is the one that the executable was started under. */
export function encodeCall(name: string, { env, stdin, namespaces, until }: Omit<ResidentCall, "type">): Uint8Array {
  const strings = [name];
  for (const variable in env) strings.push(`${variable}=${env[variable]}`);
  const texts = [`${strings.join("\0")}\0`, namespaces.net, namespaces.mnt, stdin];
  const seconds = Math.floor(until / 1000);
  return encode(texts, [], [seconds, Math.floor((until - seconds * 1000) * 1e6)]);
}

/**
 * The call in a body; `typeOf` says which plugin the executable is under a name. Throws RangeError for a body that is not
 * whole.
 */
export function decodeCall(body: Uint8Array, typeOf: (name: string) => string | undefined): ResidentCall {
  const [strings = 0, net = 0, mnt = 0, stdin = 0, seconds = 0, nanoseconds = 0] = numbersOf(body, CALL_NUMBERS.length);
  const texts = textsOf(body, CALL_NUMBERS.length, [strings, net, mnt, stdin]);
  const [name = "", ...variables] = (texts[0] ?? "").split("\0");
  const env: Record<string, string> = {};
  for (const variable of variables) {
    const equals = variable.indexOf("=");
    const key = variable.slice(0, equals);
    if ((CALL_VARIABLES as readonly string[]).includes(key)) env[key] = variable.slice(equals + 1);
  }
  return {
    type: typeOf(name.slice(name.lastIndexOf("/") + 1)),
    env,
    stdin: texts[3] ?? "",
    namespaces: { net: texts[1] ?? "", mnt: texts[2] ?? "" },
    until: seconds * 1000 + nanoseconds / 1e6,
  };
}

/** The body of an answer. */
export function encodeAnswer({ status, stdout, stderr }: ResidentAnswer): Uint8Array {
  return encode([stdout, stderr], [status], []);
}

/** The answer in a body. Throws RangeError for one that is not whole. */
export function decodeAnswer(body: Uint8Array): ResidentAnswer {
  const [status = 0, stdout = 0, stderr = 0] = numbersOf(body, ANSWER_NUMBERS.length);
  const texts = textsOf(body, ANSWER_NUMBERS.length, [stdout, stderr]);
  return { status: status === 0 ? 0 : 1, stdout: texts[0] ?? "", stderr: texts[1] ?? "" };
}

function encode(texts: readonly string[], before: readonly number[], behind: readonly number[]): Uint8Array {
  const encoded = texts.map((text) => encoder.encode(text));
  const numbers = [...before, ...encoded.map(({ length }) => length), ...behind];
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, NUMBER * numbers.length));
  const view = new DataView(bytes.buffer);
  // The upper half of a number is zero; big integers would cost a plugin's process a millisecond.
  for (const [i, number] of numbers.entries()) view.setUint32(NUMBER * i, number, true);
  let at = NUMBER * numbers.length;
  for (const text of encoded) {
    bytes.set(text, at);
    at += text.length;
  }
  return bytes;
}

function numbersOf(body: Uint8Array, count: number): number[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  return Array.from({ length: count }, (_, i) => view.getUint32(NUMBER * i, true));
}

/** Texts of these lengths in bytes, behind so many numbers. */
function textsOf(body: Uint8Array, numbers: number, lengths: readonly number[]): string[] {
  let at = NUMBER * numbers;
  const texts = lengths.map((length) => {
    const text = decoder.decode(body.subarray(at, at + length));
    at += length;
    return text;
  });
  if (at > body.length) throw new RangeError(`A body of ${body.length} bytes is said to have ${at}`);
  return texts;
}
