import type { Resource } from "../core/plan.ts";
import type { Lab, LabNode } from "./lab.ts";
export function masquerade(_lab: Lab, _node: LabNode): Resource[] {
  return [];
}
