// TEMPORARY

import type { NftTableResource } from "../core/plan.ts";
import type { ResourceKind } from "../resources/resource.ts";
export const nftShim: ResourceKind<NftTableResource> = {
  ensure(r, k) {
    const text =
      `table ${r.table.family} ${r.table.name} {\n` +
      r.chains
        .map(
          ({ chain, rules }) =>
            ` chain ${chain.name} { type nat hook postrouting priority srcnat;\n` +
            rules
              .map((x) =>
                x.statements
                  .map((s: any) =>
                    s.kind === "match"
                      ? `${s.key} ${s.operator ?? ""} ${s.value.anyOf ? `{ ${s.value.anyOf.join(", ")} }` : s.value}`
                      : s.kind,
                  )
                  .join(" "),
              )
              .join("\n") +
            "\n}",
        )
        .join("\n") +
      "\n}\n";
    const out = k.within(r.where, () =>
      Bun.spawnSync(["nft", "-f", "-"], { stdin: new TextEncoder().encode(text), stderr: "pipe" }),
    );
    if (out.exitCode !== 0) throw new Error(text + out.stderr.toString());
  },
  verify: () => [],
  remove() {},
  describe: () => ["nft ..."],
};
