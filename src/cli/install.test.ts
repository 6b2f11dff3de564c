import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { parseAgentConfig } from "../agent/config.ts";
import { ConfigError } from "../core/errors.ts";
import { installCommand, installManifest } from "./install.ts";
import { CAPABILITIES, MOUNTS } from "./manifest/host.ts";
import { DEFAULTS, type InstallOptions, type ManifestObject } from "./manifest/options.ts";

const root = join(import.meta.dir, "../..");

function objectsOf(options: Partial<InstallOptions> = {}): ManifestObject[] {
  return parseAllDocuments(installManifest({ ...DEFAULTS, ...options })).map((document) => document.toJS());
}

function objectOf(kind: string, options: Partial<InstallOptions> = {}): ManifestObject {
  const found = objectsOf(options).find((object) => object.kind === kind);
  if (found === undefined) throw new Error(`The manifest has no ${kind}`);
  return found;
}

function configOf(options: Partial<InstallOptions> = {}) {
  const { data } = objectOf("ConfigMap", options) as ManifestObject & { data: Record<string, string> };
  return parseAgentConfig(data["agent.yaml"] ?? "", { node: "node1" });
}

function refusal(options: Partial<InstallOptions>): string {
  try {
    installManifest({ ...DEFAULTS, ...options });
  } catch (error) {
    if (error instanceof ConfigError) return error.field;
    throw error;
  }
  return "none";
}

interface Container {
  readonly image: string;
  readonly securityContext: { readonly capabilities: { readonly drop: string[]; readonly add: string[] } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface DaemonSet extends ManifestObject {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly annotations: Record<string, string> };
      readonly spec: {
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

describe("the manifest", () => {
  test("in the repository is what is printed by default (tendril install --print > deploy/tendril.yaml)", () => {
    expect(readFileSync(join(root, "deploy/tendril.yaml"), "utf8")).toBe(installManifest(DEFAULTS));
  });

  test("has the namespace first, then the definitions, and the agents last", () => {
    const kinds = objectsOf().map(({ kind }) => kind);
    expect(kinds[0]).toBe("Namespace");
    expect(kinds.at(-1)).toBe("DaemonSet");
    expect(kinds.lastIndexOf("CustomResourceDefinition")).toBeLessThan(kinds.indexOf("ServiceAccount"));
  });

  test("has the configuration that was chosen, as an agent reads it", () => {
    expect(configOf().cluster).toMatchObject({ mode: "vxlan", crossSubnetOnly: true, store: "kubernetes:" });
    expect(configOf()).toMatchObject({ inContainer: true, metrics: "127.0.0.1:9095" });
    const chosen = {
      mode: "ipip",
      ipam: "node-cidr",
      subnet: ["10.1.0.0/16", "fd01::/48"],
      crossSubnetOnly: true,
      blockSize: { ipv4: 25 },
      mtu: 1400,
      masquerade: false,
      store: "etcd://10.0.0.1:2379",
      metricsPort: 9999,
    };
    const { cluster, metrics } = configOf(chosen);
    const { metricsPort, blockSize, ...same } = chosen;
    expect(cluster).toMatchObject({ ...same, blockSize: { ipv4: 25, ipv6: undefined } });
    expect(metrics).toBe(`127.0.0.1:${metricsPort}`);
    expect(configOf({ bridge: "pods0" }).cluster?.bridge).toBe("pods0");
  });

  test("has the networks of pods from the cluster, and the right to read its settings, unless they are chosen", () => {
    const inSystem = (options: Partial<InstallOptions> = {}) =>
      objectsOf(options).filter(({ metadata }) => metadata.namespace === "kube-system");
    expect(configOf().cluster).toMatchObject({ subnet: [], fallbackSubnet: ["10.244.0.0/16"] });
    const [role, binding] = inSystem();
    expect(role).toMatchObject({
      kind: "Role",
      rules: [
        { apiGroups: [""], resources: ["configmaps"], resourceNames: ["kubeadm-config", "kube-proxy"], verbs: ["get"] },
      ],
    });
    expect(binding).toMatchObject({ kind: "RoleBinding", subjects: [{ name: "tendril-agent" }] });
    const chosen = { subnet: ["10.1.0.0/16"] };
    expect(configOf(chosen).cluster).toMatchObject({ ...chosen, fallbackSubnet: [] });
    expect(inSystem(chosen)).toEqual([]);
  });

  test("restarts the agents where the configuration is another one", () => {
    const hash = (options: Partial<InstallOptions>) =>
      (objectOf("DaemonSet", options) as DaemonSet).spec.template.metadata.annotations["tendril.dev/config"];
    expect(hash({ mtu: 1400 })).not.toBe(hash({}));
    expect(hash({ image: "example.com/tendril:2" })).toBe(hash({}));
  });

  test("has all of it in the namespace, and all containers of the image", () => {
    const namespace = "pods-network";
    for (const { metadata, kind } of objectsOf({ namespace })) {
      // A right to two settings of the cluster.
      if (metadata.namespace === "kube-system") expect(kind).toMatch(/^Role(Binding)?$/);
      else if (metadata.namespace !== undefined || kind === "Namespace") {
        expect(metadata.namespace ?? metadata.name).toBe(namespace);
      }
    }
    expect(installManifest({ ...DEFAULTS, namespace })).not.toContain(DEFAULTS.namespace);
    const { spec } = (objectOf("DaemonSet", { image: "example.com/tendril:2" }) as DaemonSet).spec.template;
    for (const { image } of [...spec.initContainers, ...spec.containers]) expect(image).toBe("example.com/tendril:2");
  });

  test("lets an agent listen on a low port where BIRD does", () => {
    const capabilities = (options: Partial<InstallOptions>) =>
      (objectOf("DaemonSet", options) as DaemonSet).spec.template.spec.containers[0]?.securityContext.capabilities.add;
    expect(capabilities({ mode: "bgp" })).toContain("NET_BIND_SERVICE");
    expect(capabilities({ mode: "vxlan" })).not.toContain("NET_BIND_SERVICE");
  });

  test("gives the reason of each capability and of each mount of the host, and the document does, too", () => {
    const text = installManifest(DEFAULTS);
    const about = readFileSync(join(root, "docs/kubernetes.md"), "utf8");
    const { spec } = (objectOf("DaemonSet") as DaemonSet).spec.template;
    for (const { securityContext, volumeMounts } of [...spec.initContainers, ...spec.containers]) {
      expect(securityContext.capabilities.drop).toEqual(["ALL"]);
      for (const capability of securityContext.capabilities.add) {
        expect(text).toContain(`- ${capability} # ${CAPABILITIES[capability]}`);
        expect(about).toContain(`| \`${capability}\` |`);
      }
      for (const { mountPath, name } of volumeMounts) {
        if (name === "config") continue;
        expect(text).toMatch(new RegExp(`mountPath: ${mountPath} # .`));
        const mount = MOUNTS.find((each) => each.name === name);
        expect(about).toContain(`| \`${mount?.path}\` |`);
      }
    }
  });

  test("is refused where an agent would not take its configuration", () => {
    expect(refusal({ mode: "magic" })).toBe("mode");
    expect(refusal({ subnet: ["10.244.0.0"] })).toStartWith("subnet");
    expect(refusal({ subnet: ["10.244.0.0/16", "10.245.0.0/16"] })).toBe("subnet[1]");
    expect(refusal({ ipam: "whatever" })).toBe("ipam");
    expect(refusal({ mtu: 3 })).toBe("mtu");
    expect(refusal({ blockSize: { ipv4: 99 } })).toBe("blockSize.ipv4");
    expect(refusal({ metricsPort: 70_000 })).toBe("metrics");
    expect(refusal({ log: "loud" })).toBe("log");
    expect(refusal({ namespace: "Big" })).toBe("--namespace");
    expect(refusal({ image: "a b" })).toBe("--image");
    expect(refusal({ image: "x: {y}" })).toBe("--image");
    expect(refusal({ imagePullPolicy: "often" as "Never" })).toBe("--image-pull-policy");
    expect(refusal({ store: "magic:" })).toBe("--store");
  });

  test("takes numbers that are numbers", () => {
    const command = installCommand().exitOverride();
    for (const option of [
      "--mtu",
      "--metrics-port",
      "--block-size-ipv4",
      "--block-size-ipv6",
      "--controller-replicas",
    ]) {
      expect(() => command.parse(["--print", option, "many"], { from: "user" })).toThrow(`"${option}" must be`);
    }
  });

  test("has nothing in it that YAML would take for something else", () => {
    expect(parse(installManifest(DEFAULTS).split("---\n")[1] ?? "")).toMatchObject({ kind: "Namespace" });
  });
});
