/**
 * The content of a lease file: the container's ID, CR LF, the interface's name.
 *
 * Early versions of the reference plugin wrote the container's ID alone; such a legacy lease belongs to every
 * attachment of that container which has no lease of the newer form. Content is compared without the white space
 * around it, as the reference plugin does.
 */

const SEPARATOR = "\r\n";

/** What a lease of an attachment says. */
export function leaseContent(containerId: string, ifname: string): string {
  return `${containerId.trim()}${SEPARATOR}${ifname}`;
}

/** What a legacy lease of a container says. */
export function legacyContent(containerId: string): string {
  return containerId.trim();
}

/** Whether the content is `whole` without its end. */
export function isCutOff(content: string, whole: string): boolean {
  return content.length < whole.length && whole.startsWith(content);
}

/** Who holds a lease, for messages. */
export function describeHolder(content: string): string {
  const [containerId, ifname] = content.split(SEPARATOR);
  if (content === "") return "nobody, its lease file is empty";
  return ifname === undefined ? `container "${containerId}"` : `container "${containerId}" interface "${ifname}"`;
}
