/**
 * Where questions are asked from: pods, nodes, the host outside. Programs are this machine's in the network of the place:
 * what is asked a hundred times would cost too much by `kubectl exec`.
 */

import { OUTSIDE } from "../../src/lab/names.ts";
import { type Finished, finish } from "../support/command.ts";
import type { Pod } from "./asking.ts";
import type { Cluster } from "./cluster.ts";
import { urlHost } from "./control-plane.ts";
import { until } from "./until.ts";

export interface Place {
  readonly name: string;
  /** What a command has to begin with to be run there. */
  readonly enter: readonly string[];
}

/** A pod's network. Throws where it has none. */
export async function inPod(cluster: Cluster, { metadata, spec, status }: Pod): Promise<Place> {
  const { machine } = cluster.node(spec.nodeName);
  const address = status.podIPs[0]?.ip ?? "";
  const script =
    'for path in /run/netns/*; do nsenter --net="$path" ip -o address show to "$1" | grep -q . && echo "$path"; done; true';
  const found = (await machine.output(["sh", "-c", script, "sh", address])).trim().split("\n");
  const [path = ""] = found;
  if (path === "" || found.length > 1)
    throw new Error(`Pod "${metadata.name}" with ${address} is in: ${found.join(", ")}`);
  return { name: metadata.name, enter: ["nsenter", `--net=${machine.root}${path}`] };
}

/** A node's own network, which pods of the host's network have too. */
export function onNode(cluster: Cluster, name: string): Place {
  return { name, enter: ["nsenter", `--net=/proc/${cluster.node(name).machine.pid}/ns/net`] };
}

/** Beyond the router, where nobody knows a way to pods. */
export function outside({ netns }: Cluster): Place {
  return { name: OUTSIDE, enter: ["nsenter", `--net=${netns(OUTSIDE)}`] };
}

export function runAt({ enter }: Place, command: readonly string[]): Promise<Finished> {
  return finish([...enter, ...command]);
}

/** The URL of a path of a web server. */
export function url(address: string, port = 80, path = "hostname"): string {
  return `http://${urlHost(address)}:${port}/${path}`;
}

/** What each URL answers, by a connection of its own; "" where nobody does within so many seconds. */
export async function answersAt(place: Place, urls: readonly string[], seconds = 5): Promise<string[]> {
  const each = [
    "--silent",
    "--max-time",
    String(seconds),
    "--header",
    "Connection: close",
    "--write-out",
    "\\t%{http_code}\\n",
  ];
  const { stdout } = await runAt(place, ["curl", "--globoff", ...each, ...urls]);
  const lines = stdout.split("\n").slice(0, -1);
  if (lines.length !== urls.length) throw new Error(`${place.name} asked ${urls.length} and got: ${stdout}`);
  return lines.map((line) => (line.endsWith("\t200") ? line.slice(0, -4) : ""));
}

/** Waits until each URL has answered: a node's kube-proxy hears of services, and of pods that are ready, after a while. */
export async function untilAnswered(place: Place, urls: readonly string[]): Promise<void> {
  await until(`${place.name} is answered by all`, async () => !(await answersAt(place, urls)).includes(""));
}

/** What is at a port of UDP. */
export interface Datagram {
  readonly address: string;
  readonly port: number;
  readonly text: string;
}

/** What each is answered; "" where no answer comes within three seconds, after three attempts. */
export async function datagramsAt(place: Place, list: readonly Datagram[]): Promise<string[]> {
  const script = `
while [ $# -gt 0 ]; do
  answer=
  for attempt in 1 2 3; do
    exec 3<>/dev/udp/$1/$2 && printf %s "$3" >&3 && answer=$(timeout 1 dd bs=65536 count=1 status=none <&3)
    exec 3>&-
    [ -n "$answer" ] && break
  done
  echo "$answer"
  shift 3
done`;
  const args = list.flatMap(({ address, port, text }) => [address, String(port), text]);
  const { stdout } = await runAt(place, ["bash", "-c", script, "bash", ...args]);
  return stdout.split("\n").slice(0, -1);
}
