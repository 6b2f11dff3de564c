/** Who reaches whom on a test cluster, by {@link ./web.ts}. */

import type { Cluster } from "./cluster.ts";

export interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: {
    readonly podIPs: readonly { readonly ip: string }[];
    readonly containerStatuses: readonly { readonly ready: boolean; readonly restartCount: number }[];
  };
}

export interface Service {
  readonly spec: { readonly clusterIPs: readonly string[] };
}

/** The pods with a label. */
export async function podsOf({ get }: Cluster, label: string, namespace = "default"): Promise<readonly Pod[]> {
  return (await get<{ items: readonly Pod[] }>("pods", "--namespace", namespace, "-l", label)).items;
}

/** The shell command by which a pod asks a web server. busybox's wget, linked statically, does not survive a look-up. */
export function askCommand(address: string, port = 80): string {
  return `printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${address} ${port}`;
}

/** The name of the pod that answers a pod. Throws where nobody does. */
export async function hostnameAt({ exec }: Cluster, from: Pod, address: string, port = 80): Promise<string> {
  const answer = await exec(from.metadata.name, ["sh", "-c", askCommand(address, port)]);
  const body = answerIn(answer);
  if (body === undefined) throw new Error(`No answer of ${address}, port ${port}: ${answer}`);
  return body;
}

/** What stands in an HTTP answer; undefined for none. */
export function answerIn(text: string): string | undefined {
  return text.startsWith("HTTP/1.0 200 ") ? text.split("\r\n\r\n")[1] : undefined;
}

export interface Asked {
  readonly asked: number;
  readonly lost: number;
}

/** Whose existence ends the asking. */
const END = "/end";

/** Has pods ask an address, each anew fifty times a second, while something is done. */
export async function whileAsking(
  { exec }: Cluster,
  pods: readonly Pod[],
  address: string,
  work: () => Promise<void>,
): Promise<Asked> {
  const script = [
    `rm -f ${END}; asked=0; lost=0`,
    `while [ ! -e ${END} ]; do`,
    `  ${askCommand(address)} | grep -q '200 OK' || lost=$((lost + 1))`,
    "  asked=$((asked + 1)); sleep 0.02",
    "done",
    "echo $asked $lost",
  ].join("\n");
  const asking = pods.map(({ metadata }) => exec(metadata.name, ["sh", "-c", script]));
  try {
    await work();
  } finally {
    for (const { metadata } of pods) await exec(metadata.name, ["touch", END]);
  }
  const counts = (await Promise.all(asking)).map((line) => line.trim().split(" ").map(Number));
  const sum = (index: number) => counts.reduce((total, count) => total + (count[index] ?? 0), 0);
  return { asked: sum(0), lost: sum(1) };
}
