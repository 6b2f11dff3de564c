import { describe, expect, test } from "bun:test";
import { AnnotationError } from "../../core/errors.ts";
import { type Annotations, type PodFacts, wishesOf } from "./annotations.ts";

function podWith(annotations: Annotations, more: Partial<PodFacts> = {}): PodFacts {
  const usual = { controller: "StatefulSet", namespaceAnnotations: {} };
  return { namespace: "shop", name: "web-0", uid: "u", annotations, ...usual, ...more };
}

const NOTHING = {
  pool: undefined,
  addresses: undefined,
  sticky: false,
  mac: undefined,
  ingress: undefined,
  egress: undefined,
  interfaces: [],
  networks: [],
  defaultRoute: undefined,
};

/** The sentence by which an ADD of such a pod fails. */
function refusal(annotations: Annotations, more: Partial<PodFacts> = {}): string {
  try {
    wishesOf(podWith(annotations, more));
  } catch (error) {
    if (error instanceof AnnotationError) return error.message;
    throw error;
  }
  return "none";
}

describe("annotations", () => {
  test("that are not there ask for nothing", () => {
    expect(wishesOf(podWith({}))).toEqual(NOTHING);
    expect(wishesOf(podWith({ "example.com/other": "x", "tendril.dev/config": "1" }))).toEqual(NOTHING);
  });

  test("ask for pool, MAC, rates and a sticky address", () => {
    const annotations = {
      "tendril.dev/pool": "storage",
      "tendril.dev/sticky": "true",
      "tendril.dev/mac": "02:00:5E:10:00:01",
      "kubernetes.io/ingress-bandwidth": "10M",
      "kubernetes.io/egress-bandwidth": "1.5Gi",
    };
    expect(wishesOf(podWith(annotations))).toEqual({
      ...NOTHING,
      pool: "storage",
      sticky: true,
      mac: "02:00:5e:10:00:01",
      ingress: 10_000_000,
      egress: 1_610_612_736,
    });
  });

  test("ask for one address, for one of each family by commas, or as a list in JSON", () => {
    const asked = (addresses: string) => wishesOf(podWith({ "tendril.dev/addresses": addresses })).addresses;
    expect(asked("10.244.9.9")).toEqual(["10.244.9.9"]);
    expect(asked("10.244.9.9, fd00:0::9")).toEqual(["10.244.9.9", "fd00::9"]);
    expect(asked('["fd00::9"]')).toEqual(["fd00::9"]);
  });

  test("for certain addresses have no need to be sticky as well", () => {
    const annotations = { "tendril.dev/addresses": "10.244.9.9", "tendril.dev/sticky": "true" };
    expect(wishesOf(podWith(annotations))).toMatchObject({ addresses: ["10.244.9.9"], sticky: false });
  });
});

describe("a namespace's annotation", () => {
  const namespaceAnnotations = {
    "tendril.dev/pool": "storage",
    "tendril.dev/sticky": "true",
    "kubernetes.io/egress-bandwidth": "1M",
  };

  test("is the default for its pods", () => {
    expect(wishesOf(podWith({}, { namespaceAnnotations }))).toMatchObject({
      pool: "storage",
      sticky: true,
      egress: 1_000_000,
    });
  });

  test("gives way to a pod's own", () => {
    const own = { "tendril.dev/pool": "default", "tendril.dev/sticky": "false" };
    expect(wishesOf(podWith(own, { namespaceAnnotations }))).toMatchObject({ pool: "default", sticky: false });
  });

  test("keeps nothing for pods that never come back under their names", () => {
    expect(wishesOf(podWith({}, { namespaceAnnotations, controller: "ReplicaSet" })).sticky).toBe(false);
    expect(wishesOf(podWith({}, { namespaceAnnotations, controller: undefined })).sticky).toBe(true);
  });

  test("of an unknown name is somebody else's business", () => {
    expect(wishesOf(podWith({}, { namespaceAnnotations: { "tendril.dev/later": "1" } }))).toEqual(NOTHING);
  });

  test("is wrong in the namespace's name", () => {
    expect(refusal({}, { namespaceAnnotations: { "tendril.dev/sticky": "yes" } })).toBe(
      'Annotation "tendril.dev/sticky" of namespace "shop" must be true or false: "yes"',
    );
  });

  test("cannot give the same address or MAC to all", () => {
    for (const [name, value] of [
      ["tendril.dev/addresses", "10.0.0.1"],
      ["tendril.dev/mac", "02:00:5e:10:00:01"],
    ] as const) {
      const sentence = `Annotation "${name}" of namespace "shop" is for pods alone: "${value}"`;
      expect(refusal({}, { namespaceAnnotations: { [name]: value } })).toBe(sentence);
    }
  });
});

describe("a wrong value is told with the annotation and what is right", () => {
  const cases: readonly (readonly [name: string, value: string, problem: string])[] = [
    ["tendril.dev/pool", "No Pool", "must be the name of a pool: lower-case letters, digits, dots and hyphens"],
    ["tendril.dev/addresses[0]", "10.0.0.300", "must be an IP address"],
    ["tendril.dev/addresses[1]", "10.0.0.3,", "must be an IP address"],
    ["tendril.dev/addresses", "10.0.0.3,10.0.0.4", "must have one address of a family at most"],
    ["tendril.dev/addresses", "[]", "must name an address"],
    ["tendril.dev/addresses", "[1", "must be JSON where it begins with a bracket"],
    ["tendril.dev/addresses[0]", "[1]", "must be a string"],
    ["tendril.dev/sticky", "yes", "must be true or false"],
    ["tendril.dev/mac", "me", "must be a MAC address such as 02:00:5e:10:00:01"],
    ["tendril.dev/mac", "01:00:5e:10:00:01", "must be a unicast MAC address other than zero"],
    ["kubernetes.io/ingress-bandwidth", "10 MB", "must be bits a second from 1k to 1P, such as 10M"],
    ["kubernetes.io/ingress-bandwidth", "999", "must be bits a second from 1k to 1P, such as 10M"],
    ["kubernetes.io/egress-bandwidth", "2P", "must be bits a second from 1k to 1P, such as 10M"],
    ["tendril.dev/adress", "10.0.0.1", "is none of ours; there are tendril.dev/pool, tendril.dev/addresses, "],
  ];
  for (const [field, value, problem] of cases) {
    test(`${field} ${value}`, () => {
      const name = field.replace(/\[\d\]$/, "");
      expect(refusal({ [name]: value })).toStartWith(`Annotation "${field}" of pod "shop/web-0" ${problem}`);
    });
  }

  test("as is a sticky address for a pod that never comes back under its name", () => {
    expect(refusal({ "tendril.dev/sticky": "true" }, { controller: "ReplicaSet" })).toBe(
      'Annotation "tendril.dev/sticky" of pod "shop/web-0" is for pods that come back under their names, as those of a ' +
        'StatefulSet, and this one is of a ReplicaSet: "true"',
    );
  });
});
