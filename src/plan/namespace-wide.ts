/**
 * Kernel parameters of a container's whole namespace, which several of its attachments may set: each gives back what
 * was there before the first of them, and only when no other one needs the parameter any more.
 */

import type { Resource, SysctlResource } from "../core/plan.ts";
import { type AttachmentRecord, recordsOfContainer } from "./record.ts";

interface Attachment extends Pick<AttachmentRecord, "netns" | "key" | "plugin" | "instance"> {}

/** What is to be made, each parameter with the value that an earlier attachment will give back. Throws FileError. */
export function withFirstValues(
  resources: readonly Resource[],
  attachment: Attachment,
  runFolder: string,
  warn: (sentence: string) => void,
): readonly Resource[] {
  return adjust(resources, attachment, runFolder, warn, (resource, { restore }) => ({ ...resource, restore }));
}

/** What is to be removed, each parameter with the value that another attachment needs. Throws FileError. */
export function withOthersValues(
  resources: readonly Resource[],
  attachment: Attachment,
  runFolder: string,
  warn: (sentence: string) => void,
): readonly Resource[] {
  return adjust(resources, attachment, runFolder, warn, (resource, { value }) => ({ ...resource, restore: value }));
}

function adjust(
  resources: readonly Resource[],
  attachment: Attachment,
  runFolder: string,
  warn: (sentence: string) => void,
  by: (resource: SysctlResource, other: SysctlResource) => Resource,
): readonly Resource[] {
  if (!hasNamespaceWide(resources)) return resources;
  const others = recordsOfContainer(runFolder, attachment.key.containerId, warn)
    .filter((record) => record.netns.id === attachment.netns.id && !isSame(record, attachment))
    .flatMap((record) => record.resources)
    .filter(isNamespaceWide);
  return resources.map((resource) => {
    const other = isNamespaceWide(resource) ? others.find(({ name }) => name === resource.name) : undefined;
    return other === undefined ? resource : by(resource as SysctlResource, other);
  });
}

/** A loop, because nearly no plan has any, and the first use of `some` costs a process 25 µs. */
function hasNamespaceWide(resources: readonly Resource[]): boolean {
  for (const resource of resources) if (isNamespaceWide(resource)) return true;
  return false;
}

function isNamespaceWide(resource: Resource): resource is SysctlResource {
  return (
    resource.kind === "sysctl" &&
    resource.where === "container" &&
    resource.link === undefined &&
    resource.restore !== undefined
  );
}

function isSame(a: Attachment, b: Attachment): boolean {
  return (
    a.key.network === b.key.network &&
    a.key.ifname === b.key.ifname &&
    a.plugin === b.plugin &&
    (a.instance ?? 0) === (b.instance ?? 0)
  );
}
