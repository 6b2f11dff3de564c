/**
 * A command in a container of a pod, by a WebSocket to the API server.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/ and k8s.io/apimachinery/pkg/util/remotecommand
 */

import { TendrilError } from "../../core/errors.ts";
import { StoreUnavailableError } from "../store.ts";
import { type ApiClient, ApiError, type ApiRequest, type ApiStatus } from "./client.ts";

export interface ExecCommand {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Of what is used here both are the same; older API servers know the second one alone. */
const PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/** The first byte of each message. */
const STDOUT = 1;
const STDERR = 2;
/** What has become of the command, as a Status. */
const ERROR = 3;

/** What a server answers to who is allowed to and has not asked for a WebSocket. */
const UPGRADE_NEEDED = 400;

interface ExecStatus extends ApiStatus {
  readonly status?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/**
 * Runs a command without input to its end, for so many milliseconds at most. Throws ApiError when it is refused,
 * StoreUnavailableError when nobody answers, and TendrilError when it cannot be run.
 */
export async function execInPod(client: ApiClient, command: ExecCommand, timeout: number): Promise<ExecResult> {
  const request = requestOf(command);
  for (let isFirst = true; ; isFirst = false) {
    const result = await attempt(client, request, command, timeout);
    if (result !== undefined) return result;
    // A WebSocket that is refused does not say why; the same request without one does, and learns of a new token.
    const cause = await client.call(request).catch((error: unknown) => error);
    if (!(cause instanceof ApiError && cause.status === UPGRADE_NEEDED)) throw cause;
    if (!isFirst) throw new StoreUnavailableError(`The API server opens no WebSocket: ${cause.message}`, { cause });
  }
}

function requestOf({ namespace, pod, container, command }: ExecCommand): ApiRequest {
  return {
    path: `/api/v1/namespaces/${namespace}/pods/${pod}/exec`,
    query: { container, stdout: "true", stderr: "true", command },
  };
}

/** Undefined when the WebSocket has not come to be. */
function attempt(
  client: ApiClient,
  request: ApiRequest,
  { pod, container }: ExecCommand,
  timeout: number,
): Promise<ExecResult | undefined> {
  const socket = client.webSocket(request, PROTOCOLS);
  socket.binaryType = "arraybuffer";
  const output = { [STDOUT]: "", [STDERR]: "" };
  const decoders = { [STDOUT]: new TextDecoder(), [STDERR]: new TextDecoder() };
  let isOpen = false;
  let status = "";
  const what = `the command in container "${container}" of pod "${pod}"`;
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new StoreUnavailableError(`Waited ${timeout / 1000} seconds for ${what}`));
      socket.close();
    }, timeout);
    socket.onopen = () => {
      isOpen = true;
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      const message = new Uint8Array(data);
      const [channel] = message;
      const bytes = message.subarray(1);
      if (channel === STDOUT || channel === STDERR)
        output[channel] += decoders[channel].decode(bytes, { stream: true });
      else if (channel === ERROR) status += new TextDecoder().decode(bytes);
    };
    socket.onclose = ({ reason }) => {
      clearTimeout(late);
      if (!isOpen) resolve(undefined);
      else if (status === "")
        reject(new StoreUnavailableError(`The connection to ${what} has ended${reason === "" ? "" : `: ${reason}`}`));
      else {
        const { exitCode, why } = endOf(status);
        if (exitCode === undefined) reject(new TendrilError(`Cannot run ${what}: ${why}`));
        else resolve({ exitCode, stdout: output[STDOUT], stderr: output[STDERR] });
      }
    };
  });
}

/** The status that a command has ended with, or why it has not run to its end. */
function endOf(text: string): { readonly exitCode?: number; readonly why: string } {
  let end: ExecStatus;
  try {
    end = JSON.parse(text) as ExecStatus;
  } catch (error) {
    if (error instanceof SyntaxError) return { why: text };
    throw error;
  }
  const { status, reason, message, details } = end;
  const why = message ?? reason ?? text;
  if (status === "Success") return { exitCode: 0, why };
  const code = Number(details?.causes?.find((cause) => cause.reason === "ExitCode")?.message);
  return reason === "NonZeroExitCode" && Number.isInteger(code) ? { exitCode: code, why } : { why };
}
