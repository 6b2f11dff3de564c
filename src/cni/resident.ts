/** The plugin's side of {@link ../core/resident.ts}: to have a call served by the node's agent. */

import {
  AGENT_SOCKET,
  CALL_PATH,
  CALL_VARIABLES,
  type Namespaces,
  type ResidentAnswer,
  type ResidentCall,
} from "../core/resident.ts";
import { bootClock } from "../linux/boot-clock.ts";
import { closeSocket, SystemCallError } from "../linux/libc.ts";
import { readLink } from "../linux/libc-file.ts";
import { connectUnix, receiveText, sendAll } from "../linux/unix-socket.ts";
import type { Variables } from "./environment.ts";

/** In milliseconds. Nothing that the agent does for a call takes so long; one that has stopped would keep us for ever. */
const TIMEOUT = 60_000;

/**
 * How the agent has served a call. Undefined where there is none, where it leaves the call to this process, or where it
 * was gone before its answer came, or that took longer than `timeout` milliseconds: then this process does the work, as
 * every verb may be tried again.
 */
export function askAgent(
  runFolder: string,
  type: string | undefined,
  env: Variables,
  stdin: string,
  timeout = TIMEOUT,
): ResidentAnswer | undefined {
  try {
    const fd = connectUnix(`${runFolder}/${AGENT_SOCKET}`, timeout);
    if (fd === undefined) return undefined;
    try {
      const until = bootClock() + timeout;
      const call: ResidentCall = { type, env: callVariables(env), stdin, namespaces: ownNamespaces(), until };
      sendAll(fd, request(JSON.stringify(call)));
      return answerIn(receiveText(fd, isWhole));
    } finally {
      closeSocket(fd);
    }
  } catch (error) {
    if (error instanceof SystemCallError) return undefined;
    throw error;
  }
}

/** The namespaces that this process is in. Throws SystemCallError. */
export function ownNamespaces(): Namespaces {
  return { net: readLink("/proc/thread-self/ns/net"), mnt: readLink("/proc/thread-self/ns/mnt") };
}

function callVariables(env: Variables): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const name of CALL_VARIABLES) {
    const value = env[name];
    if (value !== undefined) variables[name] = value;
  }
  return variables;
}

/** So much text has its bytes in place before it is known how many there are. */
const HEAD_ROOM = 128;

/** The bytes of an HTTP request. */
function request(body: string): Uint8Array {
  const encoder = new TextEncoder();
  // A character has three bytes at most.
  const bytes = new Uint8Array(HEAD_ROOM + 3 * body.length);
  const { written } = encoder.encodeInto(body, bytes.subarray(HEAD_ROOM));
  const head = `POST ${CALL_PATH} HTTP/1.1\r\nHost: tendril\r\nConnection: close\r\nContent-Length: ${written}\r\n\r\n`;
  const begin = HEAD_ROOM - head.length;
  encoder.encodeInto(head, bytes.subarray(begin));
  return bytes.subarray(begin, HEAD_ROOM + written);
}

const HEAD_END = "\r\n\r\n";
const LENGTH_FIELD = "\r\nContent-Length: ";

/** Whether a response is there with all of its body: so nobody waits for the connection's end. */
function isWhole(response: string, length: number): boolean {
  const end = response.indexOf(HEAD_END);
  const field = response.indexOf(LENGTH_FIELD);
  if (field < 0 || field > end) return false;
  // The head is ASCII.
  return length - end - HEAD_END.length >= Number.parseInt(response.slice(field + LENGTH_FIELD.length, end), 10);
}

/** The answer in the text of an HTTP response; undefined for any other than 200, and for one that was cut. */
function answerIn(response: string): ResidentAnswer | undefined {
  if (!response.startsWith("HTTP/1.1 200 ")) return undefined;
  const body = response.slice(response.indexOf(HEAD_END) + HEAD_END.length);
  try {
    return JSON.parse(body) as ResidentAnswer;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
