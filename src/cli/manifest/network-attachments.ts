/**
 * The custom resource by which networks beside the cluster's are defined. It is nobody's own: several vendors install it,
 * so ours is printed on request alone, and taken away by no uninstallation.
 * @see https://github.com/k8snetworkplumbingwg/multi-net-spec/tree/master/v1.3, section 3
 */

import { DEFINITIONS_GROUP } from "../../agent/pods/definitions.ts";
import type { ManifestObject } from "./options.ts";

const KIND = "NetworkAttachmentDefinition";
const PLURAL = "network-attachment-definitions";

const config = {
  description:
    "A CNI configuration, or a list of such, as JSON; without it the node's file for the network of this name.",
  type: "string",
};

export const networkAttachments: ManifestObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${PLURAL}.${DEFINITIONS_GROUP}` },
  spec: {
    group: DEFINITIONS_GROUP,
    scope: "Namespaced",
    names: { kind: KIND, plural: PLURAL, singular: KIND.toLowerCase(), shortNames: ["net-attach-def"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            description: "A network that pods can be attached to beside the cluster's.",
            type: "object",
            properties: { spec: { type: "object", properties: { config } } },
          },
        },
      },
    ],
  },
};
