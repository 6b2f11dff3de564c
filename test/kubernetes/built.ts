/** Kubernetes' programs, which the test command builds. */

import { existsSync } from "node:fs";
import { type Need, program, root } from "../support/needs.ts";
import { built, staticBusybox } from "../support/programs.ts";

/** The folder of the programs; empty where there is none. */
export const kubernetesPrograms = process.env.TENDRIL_KUBERNETES ?? "";

/** They are there. */
export const kubernetes: Need = () =>
  existsSync(kubernetesPrograms)
    ? undefined
    : (process.env.TENDRIL_KUBERNETES_PROBLEM ?? "TENDRIL_KUBERNETES names no folder of Kubernetes' programs");

/** What every test on a cluster needs. */
export const kubernetesNeeds: readonly Need[] = [
  ...[root, built, kubernetes, staticBusybox],
  ...["etcd", "containerd", "runc", "openssl", "nft", "ip", "curl"].map(program),
];
