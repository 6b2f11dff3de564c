/**
 * A client of the container runtime interface (CRI), by which the kubelet talks to containerd and CRI-O: gRPC over a
 * unix socket, with the few messages that a sandbox and a container need.
 * @see https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

import { type ClientHttp2Session, connect } from "node:http2";
import { createConnection } from "node:net";
import { boolean, decodeMessage, encodeMessage, type FieldType, integer, message, repeated, text } from "./protobuf.ts";

interface Metadata {
  readonly name: string;
  readonly uid?: string;
  readonly namespace?: string;
}

/** Of the kubelet's container ports, those with a host port. */
export interface PortMapping {
  /** 0 for TCP, 1 for UDP, 2 for SCTP. */
  readonly protocol: number;
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp?: string;
}

export interface Pair {
  readonly key: string;
  readonly value: string;
}

export interface SandboxConfig {
  readonly metadata: Metadata;
  readonly hostname: string;
  readonly logDirectory: string;
  readonly portMappings?: readonly PortMapping[];
  readonly annotations?: readonly Pair[];
  readonly linux: { readonly cgroupParent: string };
}

export interface ContainerConfig {
  readonly metadata: Metadata;
  readonly image: { readonly image: string };
  readonly command: readonly string[];
  readonly linux: object;
}

interface SandboxStatus {
  readonly network?: { readonly ip?: string; readonly additionalIps?: readonly { readonly ip: string }[] };
}

interface Condition {
  readonly type: string;
  readonly status?: boolean;
  readonly reason?: string;
  readonly message?: string;
}

interface ExecResult {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exitCode?: number;
}

const nothing = message<object>({});
const sandboxMetadata = message<Metadata>({ name: [1, text], uid: [2, text], namespace: [3, text] });
const containerMetadata = message<Pick<Metadata, "name">>({ name: [1, text] });
const sandboxConfig = message<SandboxConfig>({
  metadata: [1, sandboxMetadata],
  hostname: [2, text],
  logDirectory: [3, text],
  portMappings: [
    5,
    repeated(
      message<PortMapping>({
        protocol: [1, integer],
        containerPort: [2, integer],
        hostPort: [3, integer],
        hostIp: [4, text],
      }),
    ),
  ],
  annotations: [7, repeated(message<Pair>({ key: [1, text], value: [2, text] }))],
  linux: [8, message<SandboxConfig["linux"]>({ cgroupParent: [1, text] })],
});
const containerConfig = message<ContainerConfig>({
  metadata: [1, containerMetadata],
  image: [2, message<ContainerConfig["image"]>({ image: [1, text] })],
  command: [3, repeated(text)],
  linux: [15, nothing],
});
const sandboxStatus = message<SandboxStatus>({
  network: [
    5,
    message<NonNullable<SandboxStatus["network"]>>({
      ip: [1, text],
      additionalIps: [2, repeated(message<{ ip: string }>({ ip: [1, text] }))],
    }),
  ],
});
const condition = message<Condition>({ type: [1, text], status: [2, boolean], reason: [3, text], message: [4, text] });

interface Method<Request, Response> {
  readonly name: string;
  readonly request: FieldType<Request>;
  readonly response: FieldType<Response>;
}

const byId = message<{ id: string }>({ id: [1, text] });

const methods = {
  status: {
    name: "Status",
    request: nothing,
    response: message<{ status: { conditions: readonly Condition[] } }>({
      status: [1, message<{ conditions: readonly Condition[] }>({ conditions: [1, repeated(condition)] })],
    }),
  },
  runSandbox: {
    name: "RunPodSandbox",
    request: message<{ config: SandboxConfig }>({ config: [1, sandboxConfig] }),
    response: byId,
  },
  sandboxStatus: {
    name: "PodSandboxStatus",
    request: byId,
    response: message<{ status: SandboxStatus }>({ status: [1, sandboxStatus] }),
  },
  stopSandbox: { name: "StopPodSandbox", request: byId, response: nothing },
  removeSandbox: { name: "RemovePodSandbox", request: byId, response: nothing },
  createContainer: {
    name: "CreateContainer",
    request: message<{ sandbox: string; config: ContainerConfig; sandboxConfig: SandboxConfig }>({
      sandbox: [1, text],
      config: [2, containerConfig],
      sandboxConfig: [3, sandboxConfig],
    }),
    response: byId,
  },
  startContainer: { name: "StartContainer", request: byId, response: nothing },
  exec: {
    name: "ExecSync",
    request: message<{ container: string; command: readonly string[]; timeout: number }>({
      container: [1, text],
      command: [2, repeated(text)],
      timeout: [3, integer],
    }),
    response: message<ExecResult>({ stdout: [1, text], stderr: [2, text], exitCode: [3, integer] }),
  },
};

/** One function for each method; they throw what the runtime answers as an error. */
export type Cri = {
  readonly [K in keyof typeof methods]: (typeof methods)[K] extends Method<infer Request, infer Response>
    ? (request: Request) => Promise<Response>
    : never;
} & { close(): void };

/** Connects to a runtime's socket. */
export function connectCri(socket: string): Cri {
  const session = connect("http://localhost", { createConnection: () => createConnection(socket) });
  // What goes wrong with the session is told to each of its calls.
  session.on("error", () => {});
  const calls = Object.entries(methods).map(([key, method]) => [
    key,
    async (value: object) => {
      const { name, request, response } = method as Method<object, object>;
      const answer = await call(session, `/runtime.v1.RuntimeService/${name}`, encodeMessage(request, value));
      return decodeMessage(response, answer);
    },
  ]);
  return { ...Object.fromEntries(calls), close: () => session.destroy() } as Cri;
}

/** One call with one answer. */
function call(session: ClientHttp2Session, path: string, request: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let status: Record<string, unknown> = {};
    const note = (headers: Record<string, unknown>): void => {
      status = { ...status, ...headers };
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      if (status["grpc-status"] === "0") resolve(Buffer.concat(chunks).subarray(PREFIX));
      else reject(new Error(`${path}: ${decodeURIComponent(String(status["grpc-message"] ?? "no answer"))}`));
    });
    // Whether the message is compressed, and its length.
    const prefix = Buffer.alloc(PREFIX);
    prefix.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([prefix, request]));
  });
}

const PREFIX = 5;
