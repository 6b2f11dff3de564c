/** The manifest: all objects of an installation, and its text. */

import { stringify } from "yaml";
import { formatHash, hash64 } from "../../core/names.ts";
import { customResourceDefinitions } from "../../store/kubernetes/crds.ts";
import { accessObjects } from "./access.ts";
import { agentConfigText } from "./agent-config.ts";
import { controllerAccess, controllerDeployment } from "./controller.ts";
import { controllerConfigText } from "./controller-config.ts";
import { daemonSet } from "./daemon-set.ts";
import { CAPABILITIES, CONTROLLER_REASONS, MOUNTS, REASONS } from "./host.ts";
import { networkAttachments } from "./network-attachments.ts";
import { AGENT, hasController, type InstallOptions, LABELS, type ManifestObject } from "./options.ts";
import { poolPolicies } from "./pool-policies.ts";

/** In the order in which they can be applied. */
export function manifestObjects(options: InstallOptions): ManifestObject[] {
  const { namespace } = options;
  const config = agentConfigText(options);
  const isControlled = hasController(options);
  const controllerConfig = isControlled ? controllerConfigText(options) : "";
  return [
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace, labels: { ...LABELS, "pod-security.kubernetes.io/enforce": "privileged" } },
    },
    ...customResourceDefinitions().map((definition) => ({ ...definition })),
    ...(options.networkAttachments ? [networkAttachments] : []),
    ...accessObjects(options),
    ...(isControlled ? [...poolPolicies(), ...controllerAccess(options)] : []),
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: AGENT, namespace, labels: LABELS },
      data: { "agent.yaml": config, ...(isControlled && { "controller.yaml": controllerConfig }) },
    },
    ...(isControlled ? [controllerDeployment(options, formatHash(hash64(controllerConfig)))] : []),
    daemonSet(options, formatHash(hash64(config))),
  ];
}

/** The objects as YAML, with the reason beside each thing that a pod has of its host. */
export function manifestText(objects: readonly ManifestObject[], about: string): string {
  const documents = objects.map((object) =>
    withReasons(stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }), {
      ...REASONS,
      ...(object.kind === "Deployment" && CONTROLLER_REASONS),
    }),
  );
  return `# ${about}\n---\n${documents.join("---\n")}`;
}

function withReasons(text: string, reasons: Readonly<Record<string, string>>): string {
  return text.replace(/^( *)(?:- )?(\S.*)$/gm, (line, _indent, content: string) => {
    const reason = reasons[content] ?? (/^ *- /.test(line) ? CAPABILITIES[content] : undefined) ?? mountReason(content);
    return reason === undefined ? line : `${line} # ${reason}`;
  });
}

function mountReason(content: string): string | undefined {
  const path = /^mountPath: (.*)$/.exec(content)?.[1];
  return MOUNTS.find((mount) => (mount.at ?? mount.path) === path)?.reason;
}
