/** `tendril reserve` and `tendril unreserve`: addresses that follow their owner to whichever node its pod runs on. */

import { Command } from "commander";
import { STORE_HELP, type StoreChoice, withCluster, withStoreOptions } from "./cluster-access.ts";
import { type Format, outputOption } from "./output.ts";
import { report } from "./pool.ts";
import { parseExpiry, reserve, unreserve } from "./reservation-changes.ts";

interface Options extends StoreChoice {
  readonly output: Format;
  readonly expires?: string;
}

export function reservationCommands(): Command[] {
  const verb = (name: string, about: string, example: string) =>
    withStoreOptions(
      new Command(name)
        .description(about)
        .argument("<owner>", "the pod, as NAMESPACE/NAME")
        .addOption(outputOption("table", "json", "yaml")),
    ).addHelpText("after", `${STORE_HELP}\n\nExample:\n  ${example}`);
  return [
    verb("reserve", "keep addresses for a pod", "tendril reserve default/web-0 10.244.7.7 fd44::7:7 --expires 24h")
      .argument("<addresses...>", "one of each family at most")
      .option("--expires <when>", "after a span such as 90s, 24h or 7d, or at a time in RFC 3339 (never)")
      .action(async (owner: string, addresses: string[], options: Options) => {
        const now = Date.now();
        const expires = options.expires === undefined ? undefined : parseExpiry(options.expires, now);
        const kept = await withCluster(options, (cluster) => reserve(cluster, { owner, addresses, expires }, now));
        const until = expires === undefined ? "" : ` until ${expires}`;
        report(options, kept, `${kept.addresses.join(" and ")} kept for ${owner}${until}`);
      }),
    verb("unreserve", "give reserved addresses free", "tendril unreserve default/web-0")
      .argument("[addresses...]", "only these; all of the owner's without one")
      .action(async (owner: string, addresses: string[], options: Options) => {
        const freed = await withCluster(options, (cluster) => unreserve(cluster, owner, addresses));
        report(options, { owner, freed }, `${freed.join(" and ")} free again`);
      }),
  ];
}
