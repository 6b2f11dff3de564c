/**
 * The plugin's side of {@link ../core/resident.ts}: to have a call served by the node's agent. On x86-64 the
 * executable's entry has asked before the runtime was there (`src/entry/`), and this is not part of it.
 */

import {
  AGENT_SOCKET,
  CALL_TIMEOUT,
  CALL_VARIABLES,
  decodeAnswer,
  encodeCall,
  type Namespaces,
  type ResidentAnswer,
  requestHead,
} from "../core/resident.ts";
import { bootClock } from "../linux/boot-clock.ts";
import { closeSocket, SystemCallError } from "../linux/libc.ts";
import { readLink } from "../linux/libc-file.ts";
import { connectUnix, receiveToEnd, sendAll } from "../linux/unix-socket.ts";
import type { Variables } from "./environment.ts";

/**
 * How the agent has served a call of the executable under `name`. Undefined where there is none, where it leaves the call
 * to this process, or where it was gone before its answer came, or that took longer than `timeout` milliseconds: then
 * this process does the work, as every verb may be tried again.
 */
export function askAgent(
  runFolder: string,
  name: string,
  env: Variables,
  stdin: string,
  timeout = CALL_TIMEOUT,
): ResidentAnswer | undefined {
  try {
    const fd = connectUnix(`${runFolder}/${AGENT_SOCKET}`, timeout);
    if (fd === undefined) return undefined;
    try {
      const until = bootClock() + timeout;
      const body = encodeCall(name, { env: callVariables(env), stdin, namespaces: ownNamespaces(), until });
      sendAll(fd, new TextEncoder().encode(requestHead(body.length)));
      sendAll(fd, body);
      return answerIn(receiveToEnd(fd));
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

const HEAD_END = "\r\n\r\n";

/** The answer in an HTTP response; undefined for any other than 200, and for one that was cut. */
function answerIn(response: Uint8Array): ResidentAnswer | undefined {
  // Each byte is a character here.
  const text = new TextDecoder("latin1").decode(response);
  const end = text.indexOf(HEAD_END);
  if (!text.startsWith("HTTP/1.1 200 ") || end < 0) return undefined;
  try {
    return decodeAnswer(response.subarray(end + HEAD_END.length));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
