/** All requirements, in the order of a report. */

import type { Requirement } from "../requirement.ts";
import { addRequirements } from "./add.ts";
import { checkRequirements } from "./check.ts";
import { concurrencyRequirements } from "./concurrency.ts";
import { configurationRequirements } from "./configuration.ts";
import { delRequirements } from "./del.ts";
import { delegationRequirements } from "./delegation.ts";
import { gcRequirements } from "./gc.ts";
import { parameterRequirements } from "./parameters.ts";
import { statusRequirements } from "./status.ts";
import { versionRequirements } from "./version.ts";

export const requirements: readonly Requirement[] = [
  ...versionRequirements,
  ...parameterRequirements,
  ...configurationRequirements,
  ...addRequirements,
  ...delRequirements,
  ...checkRequirements,
  ...gcRequirements,
  ...statusRequirements,
  ...concurrencyRequirements,
  ...delegationRequirements,
];
