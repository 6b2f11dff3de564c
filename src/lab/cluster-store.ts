/** The store of a lab's agents: made, stopped as an outage would, and started again with all that was in it. */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { KernelError, TendrilError } from "../core/errors.ts";
import { familyOf } from "../core/ip.ts";
import { closeSocket, connectSocket, openSocket, SOCK_STREAM } from "../linux/libc.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { domainOf, encodeSocketAddress } from "../linux/socket-address.ts";
import { ETCD_PORT, storeAddress, storeFolder } from "./agent-config.ts";
import { waitUntil } from "./agent-status.ts";
import { bare, type Lab } from "./lab.ts";
import { labFolder, netnsName, ROUTER } from "./names.ts";
import { SERVICE_MS, serviceLogEnd, servicePid, startService, stopService } from "./service.ts";

const ETCD = "etcd";

/** Starts the store, new or as it was when it was stopped. Throws TendrilError when it does not come up. */
export async function startStore(lab: Lab): Promise<void> {
  if (lab.cluster?.store === "etcd") await startEtcd(lab);
  else startDirectory(lab.name);
}

/** Makes it unavailable to all agents. */
export async function stopStore(lab: Lab): Promise<void> {
  if (lab.cluster?.store === "etcd") await stopService(lab.name, ETCD);
  else if (existsSync(storeFolder(lab.name))) renameSync(storeFolder(lab.name), awayFolder(lab.name));
}

/** Whether agents can use it. */
export function storeIsThere(lab: Lab): boolean {
  return lab.cluster?.store === "etcd" ? servicePid(lab.name, ETCD) !== undefined : existsSync(storeFolder(lab.name));
}

function startDirectory(lab: string): void {
  if (existsSync(awayFolder(lab))) renameSync(awayFolder(lab), storeFolder(lab));
  else mkdirSync(storeFolder(lab), { recursive: true });
}

/** A folder that is not there is a store that cannot be reached. */
function awayFolder(lab: string): string {
  return `${storeFolder(lab)}.away`;
}

async function startEtcd(lab: Lab): Promise<void> {
  if (servicePid(lab.name, ETCD) !== undefined) return;
  const [address = ""] = lab.subnets[0]?.router.map(bare) ?? [];
  const url = storeAddress(lab).replace("etcd://", "http://");
  const peer = `http://${familyOf(address) === 6 ? "[::1]" : "127.0.0.1"}:${ETCD_PORT + 1}`;
  startService({
    lab: lab.name,
    name: ETCD,
    words: [
      ...["--data-dir", `${labFolder(lab.name)}/etcd`, "--unsafe-no-fsync"],
      ...["--listen-client-urls", url, "--advertise-client-urls", url],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", `default=${peer}`],
    ],
    remedy: "Install etcd 3.4 or newer, or use `store: directory`.",
  });
  await waitUntil(
    "etcd serves",
    () => {
      if (servicePid(lab.name, ETCD) === undefined) {
        throw new TendrilError("etcd has ended", { details: serviceLogEnd(lab.name, ETCD) });
      }
      return answers(netnsName(lab.name, ROUTER), address) ? undefined : "its port is closed";
    },
    { within: SERVICE_MS },
  );
}

function answers(netnsNamed: string, address: string): boolean {
  const netns = openNetns(namedNetnsPath(netnsNamed));
  try {
    const fd = inNetns(netns, () => openSocket(domainOf(familyOf(address)), SOCK_STREAM, 0));
    try {
      connectSocket(fd, encodeSocketAddress(address, ETCD_PORT));
      return true;
    } catch (error) {
      if (error instanceof KernelError) return false;
      throw error;
    } finally {
      closeSocket(fd);
    }
  } finally {
    closeNetns(netns);
  }
}
