/** A lab drawn as a tree: who is where, with which addresses. */

import { bare, type Lab } from "./lab.ts";
import { addressesOf } from "./status.ts";
import { alignColumns } from "./table.ts";

interface Branch {
  readonly text: string;
  readonly columns: readonly string[];
  readonly children: readonly Branch[];
}

/** The lines of the drawing. Pods that are not attached yet are without addresses. */
export function drawLab(lab: Lab): string[] {
  const addresses = addressesOf(lab);
  const subnets = lab.subnets.map((subnet): Branch => {
    const nodes = lab.nodes.filter(({ subnet: name }) => name === subnet.name);
    return {
      text: subnet.name,
      columns: subnet.prefixes,
      children: nodes.map((node) => ({
        text: node.name,
        columns: addresses.get(node.name) ?? [],
        children: node.pods.map((pod) => ({
          text: pod,
          columns: addresses.get(`${node.name}/${pod}`) ?? [],
          children: [],
        })),
      })),
    };
  });
  const outside: Branch[] =
    lab.outside === undefined ? [] : [{ text: "outside", columns: lab.outside.addresses.map(bare), children: [] }];
  const rows = [["router"], ...drawBranches([...outside, ...subnets], "")];
  return alignColumns(rows);
}

function drawBranches(branches: readonly Branch[], indent: string): string[][] {
  return branches.flatMap(({ text, columns, children }, i) => {
    const last = i === branches.length - 1;
    const below = `${indent}${last ? "   " : "│  "}`;
    return [[`${indent}${last ? "└─ " : "├─ "}${text}`, ...columns], ...drawBranches(children, below)];
  });
}
