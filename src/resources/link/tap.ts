/** TAP devices. */

import { ConflictError, KernelError, KernelFeatureError, PluginFailureError, TendrilError } from "../../core/errors.ts";
import type { TapLink } from "../../core/plan.ts";
import { fileErrorCode } from "../../linux/file.ts";
import { SystemCallError } from "../../linux/libc.ts";
import { changeLink, type KernelLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import { startingAs } from "../../linux/selinux.ts";
import { createTap, IFF_TAP } from "../../linux/tun.ts";
import type { Kernel } from "../kernel.ts";
import { commandIn } from "../resource.ts";
import { attempt, differences, findOwn, type LinkType, removeOwn } from "./type.ts";

export const tap: LinkType<TapLink> = {
  ensure(resource, kernel, undo) {
    const { where, name, mac, mtu, master } = resource;
    kernel.flush();
    if (kernel.link(where, name) !== undefined) throw conflict(resource);
    kernel.within(where, () => make(resource));
    kernel.made(where, name);
    undo(() => removeOwn(resource, kernel));
    const masterIndex = master === undefined ? undefined : kernel.index(where, master);
    const index = kernel.index(where, name);
    const request = changeLink({ index, address: mac, mtu, master: masterIndex });
    const refusal = attempt(kernel, where, { ...request, operation: `set ${settingWords(resource)} of tap "${name}"` });
    kernel.changed(where, name);
    if (refusal !== undefined) throw refusal;
  },
  verify(resource, kernel) {
    const own = findOwn(resource, kernel);
    if ("finding" in own) return [own.finding];
    return [...differences(resource, own.found), ...differencesOfTap(resource, own.found, kernel)];
  },
  remove: removeOwn,
  describe(resource, naming) {
    const { where, name, multiQueue, owner, group, selinuxContext } = resource;
    const words = [
      ...(selinuxContext === undefined ? [] : [`runcon ${selinuxContext}`]),
      `ip tuntap add dev ${name} mode tap`,
      ...(multiQueue ? ["multi_queue"] : []),
      ...(owner === undefined ? [] : [`user ${owner}`]),
      ...(group === undefined ? [] : [`group ${group}`]),
    ];
    const commands = [words.join(" "), `ip link set dev ${name} ${settingWords(resource)}`];
    return commands.map((command) => commandIn(where, command, naming));
  },
};

function settingWords({ mac, mtu, master }: TapLink): string {
  return `address ${mac}${mtu === undefined ? "" : ` mtu ${mtu}`}${master === undefined ? "" : ` master ${master}`}`;
}

function conflict({ name, where }: TapLink, cause?: unknown): ConflictError {
  return new ConflictError(`Cannot create tap "${name}": it already exists in the ${where}`, { cause });
}

/** Makes the device in the namespace of this thread. */
function make(resource: TapLink): void {
  try {
    if (resource.selinuxContext === undefined) createTap(resource);
    else makeLabelled(resource, resource.selinuxContext);
  } catch (error) {
    throw explain(resource, error);
  }
}

function explain(resource: TapLink, error: unknown): unknown {
  const code = error instanceof TendrilError && !(error instanceof SystemCallError) ? undefined : fileErrorCode(error);
  const { name } = resource;
  switch (code) {
    case "EBUSY":
      return conflict(resource, error);
    case "ENOENT":
    case "ENODEV":
    case "ENXIO":
      return new KernelFeatureError(
        "CONFIG_TUN",
        `Cannot create tap "${name}": this host has no /dev/net/tun (CONFIG_TUN)`,
        { cause: error },
      );
    default:
      return code === undefined
        ? error
        : new KernelError(`Cannot create tap "${name}": ${code}`, code, { cause: error });
  }
}

/**
 * A device has the context of the process that makes it, whatever that says of its sockets; and a process with threads
 * cannot change its own. So another one makes it: this program again, with a command for that.
 * @see security/selinux/hooks.c selinux_tun_dev_create
 */
function makeLabelled({ name, multiQueue, owner, group }: TapLink, context: string): void {
  const options = JSON.stringify({ name, multiQueue, owner, group });
  const { exitCode, stderr } = startingAs(context, () =>
    Bun.spawnSync({ cmd: ["/proc/self/exe", "make-tap", options], env: {}, stdout: "ignore", stderr: "pipe" }),
  );
  if (exitCode === 0) return;
  const said = stderr.toString().trim();
  throw new PluginFailureError(`Cannot create tap "${name}" under SELinux context "${context}": ${said}`);
}

function differencesOfTap({ name, multiQueue, owner, group, master }: TapLink, found: KernelLink, kernel: Kernel) {
  const tun = found.info?.tun ?? {};
  const findings: string[] = [];
  if (tun.type !== IFF_TAP) findings.push(`"${name}" is no TAP device`);
  if ((tun.multiQueue ?? false) !== multiQueue)
    findings.push(`"${name}" has ${multiQueue ? "one queue" : "many queues"}`);
  for (const [what, has, wanted] of [
    ["owner", tun.owner, owner],
    ["group", tun.group, group],
  ] as const) {
    if (has !== wanted) findings.push(`"${name}" has ${what} ${has ?? "none"}, not ${wanted ?? "none"}`);
  }
  if (master !== undefined && found.master !== kernel.link("container", master)?.index) {
    findings.push(`"${name}" is not a port of "${master}"`);
  }
  return findings;
}
