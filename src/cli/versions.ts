/** Versions by which one program is told to be older than another. @see https://semver.org */

/** Whether a version comes before another: by its three numbers, and one before a release, such as 1.0.0-rc.1, before it. */
export function isOlder(version: string, other: string): boolean {
  const [a, b] = [partsOf(version), partsOf(other)];
  for (let i = 0; i < 3; i++) {
    const difference = (a.numbers[i] ?? 0) - (b.numbers[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  if (a.before === b.before || a.before === "") return false;
  return b.before === "" || a.before.localeCompare(b.before, "en", { numeric: true }) < 0;
}

/** What stands after a plus sign tells builds apart, and none of them is older. */
function partsOf(version: string): { readonly numbers: readonly number[]; readonly before: string } {
  const [named = ""] = version.split("+");
  const hyphen = named.indexOf("-");
  const numbers = (hyphen < 0 ? named : named.slice(0, hyphen)).split(".").map(Number);
  return { numbers, before: hyphen < 0 ? "" : named.slice(hyphen + 1) };
}
