/** The pods and services of a test cluster, and what they answer by `kubectl exec`. */

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
  if (!answer.startsWith("HTTP/1.0 200 ")) throw new Error(`No answer of ${address}, port ${port}: ${answer}`);
  return answer.split("\r\n\r\n")[1] ?? "";
}
