/** The folder for what the scripts build or fetch once. Git ignores it; several working copies may share one. */

import { resolve } from "node:path";

export const cache = resolve(import.meta.dir, "../..", process.env.TENDRIL_TEST_CACHE ?? ".cache");
