import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseCidr } from "./cidr.ts";
import { ConfigError } from "./errors.ts";
import { parseIp } from "./ip.ts";
import { routes } from "./route.ts";
import {
  boolean,
  cidr,
  cidrText,
  integer,
  interfaceName,
  ip,
  ipText,
  list,
  mac,
  networkText,
  object,
  oneOf,
  optional,
  type Schema,
  text,
  withDefault,
} from "./schema.ts";

/** The error that a schema answers with. */
function refusal(schema: Schema<unknown>, value: unknown, field = "field"): ConfigError {
  try {
    schema(value, field);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(value)} was taken`);
}

const notText = [1, true, [], {}];

/** For each schema: what it takes, with what comes out, and what it refuses, with what it then says. */
const table: readonly {
  readonly name: string;
  readonly schema: Schema<unknown>;
  readonly takes: readonly (readonly [unknown, unknown])[];
  readonly refuses: readonly unknown[];
  readonly problem: string;
}[] = [
  {
    name: "boolean",
    schema: boolean,
    takes: [
      [true, true],
      [false, false],
    ],
    refuses: [0, 1, "true", "", [], {}],
    problem: "must be true or false",
  },
  {
    name: "text",
    schema: text,
    takes: [
      ["", ""],
      ["a", "a"],
    ],
    refuses: notText,
    problem: "must be a string",
  },
  {
    name: "integer",
    schema: integer(-1, 65535),
    takes: [
      [-1, -1],
      [0, 0],
      [65535, 65535],
    ],
    refuses: [-2, 65536, 1.5, "1", Number.NaN, Number.POSITIVE_INFINITY, true, []],
    problem: "must be a whole number from -1 to 65535",
  },
  {
    name: "oneOf",
    schema: oneOf("bridge", "ptp"),
    takes: [["ptp", "ptp"]],
    refuses: ["Bridge", "", 1, ["ptp"], {}],
    problem: "must be one of bridge, ptp",
  },
  {
    name: "list",
    schema: list(text),
    takes: [
      [[], []],
      [
        ["a", "b"],
        ["a", "b"],
      ],
    ],
    refuses: ["a", 1, {}, true],
    problem: "must be a list",
  },
  {
    name: "interfaceName of text",
    schema: interfaceName,
    takes: [["eth0", "eth0"]],
    refuses: notText,
    problem: "must be a string",
  },
  {
    name: "interfaceName",
    schema: interfaceName,
    takes: [],
    refuses: ["a/b"],
    problem: "cannot name an interface, it contains a slash, a colon or white space",
  },
  { name: "mac of text", schema: mac, takes: [], refuses: notText, problem: "must be a string" },
  {
    name: "mac",
    schema: mac,
    takes: [["02-00-5E-10-00-01", "02:00:5e:10:00:01"]],
    refuses: ["", "02:00:5e:10:00", "x"],
    problem: "must be a MAC address such as 02:00:5e:10:00:01",
  },
  {
    name: "mac of a group",
    schema: mac,
    takes: [],
    refuses: ["01:00:5e:10:00:01", "00:00:00:00:00:00"],
    problem: "must be a unicast MAC address other than zero",
  },
  {
    name: "ip",
    schema: ip,
    takes: [["10.0.0.1", parseIp("10.0.0.1")]],
    refuses: ["10.0.0", "10.0.0.1/8", ""],
    problem: "must be an IP address",
  },
  {
    name: "ipText",
    schema: ipText,
    takes: [["FD00:0::1", "fd00::1"]],
    refuses: ["10.0.0.256"],
    problem: "must be an IP address",
  },
  {
    name: "cidr",
    schema: cidr,
    takes: [["10.1.2.3/16", parseCidr("10.1.2.3/16")]],
    refuses: ["10.1.2.3", "10.1.2.3/33"],
    problem: "must be in CIDR notation such as 10.1.0.0/16",
  },
  {
    name: "cidrText",
    schema: cidrText,
    takes: [["FD00::1/64", "fd00::1/64"]],
    refuses: ["fd00::/129"],
    problem: "must be in CIDR notation such as 10.1.0.0/16",
  },
  {
    name: "networkText",
    schema: networkText,
    takes: [["10.1.2.3/16", "10.1.0.0/16"]],
    refuses: ["10.1.2.3/x"],
    problem: "must be in CIDR notation such as 10.1.0.0/16",
  },
];

describe.each(table)("$name", ({ schema, takes, refuses, problem }) => {
  test("takes what is right", () => {
    for (const [value, result] of takes) expect(schema(value, "field")).toEqual(result);
  });

  test("refuses what is wrong, naming field and value", () => {
    for (const value of refuses) {
      const error = refusal(schema, value, "ipam.ranges[0]");
      expect(error.field).toBe("ipam.ranges[0]");
      expect(error.message).toBe(`Invalid configuration: "ipam.ranges[0]" ${problem}: ${JSON.stringify(value)}`);
    }
  });
});

describe("list", () => {
  test("names the item that is wrong", () => {
    expect(refusal(list(list(integer(0, 9))), [[1], [2, "x"]]).field).toBe("field[1][1]");
  });
});

describe("object", () => {
  interface Inner {
    subnet: string;
    gateway: string | undefined;
  }
  interface Outer {
    name: string;
    mtu: number;
    ipam: Inner;
    ranges: Inner[];
  }
  const inner = object<Inner>({ subnet: networkText, gateway: optional(ipText) });
  const outer = object<Outer>({
    name: text,
    mtu: withDefault(integer(68, 65535), 1500),
    ipam: inner,
    ranges: withDefault(list(inner), []),
  });
  const right = { name: "net", ipam: { subnet: "10.1.2.3/16" } };

  test("fills in what is absent and ignores fields that it does not know", () => {
    const expected = { name: "net", mtu: 1500, ipam: { subnet: "10.1.0.0/16", gateway: undefined }, ranges: [] };
    expect(outer(right, "")).toEqual(expected);
    expect(outer({ ...right, unknown: 1, ipam: { ...right.ipam, type: "host-local" } }, "")).toEqual(expected);
  });

  test("takes null as absent", () => {
    expect(outer({ ...right, mtu: null, ranges: null }, "")).toEqual(outer(right, ""));
    expect(refusal(outer, { ...right, name: null }, "").message).toBe('Invalid configuration: "name" is missing');
  });

  test("takes a key in any case, an exact one before others", () => {
    expect(outer({ NAME: "net", MTU: 1400, Ipam: { SubNet: "10.1.2.3/16" } }, "")).toMatchObject({
      name: "net",
      mtu: 1400,
      ipam: { subnet: "10.1.0.0/16" },
    });
    expect(outer({ ...right, MTU: "wrong", mtu: 1400 }, "")).toMatchObject({ mtu: 1400 });
    expect(refusal(outer, { ...right, MTU: "wrong" }, "").field).toBe("mtu");
  });

  test("names the path of what is wrong or missing", () => {
    expect(refusal(outer, { ...right, mtu: 1 }, "").field).toBe("mtu");
    expect(refusal(outer, { ...right, ipam: {} }, "").message).toBe('Invalid configuration: "ipam.subnet" is missing');
    expect(refusal(outer, { ...right, ipam: { subnet: "10.1.0.0/16", gateway: "x" } }, "").message).toBe(
      'Invalid configuration: "ipam.gateway" must be an IP address: "x"',
    );
    expect(refusal(outer, { ...right, ranges: [right.ipam, { subnet: 7 }] }, "").field).toBe("ranges[1].subnet");
  });

  test("refuses what is no object, whole or in a field", () => {
    for (const value of [1, "x", true, [], null]) {
      expect(refusal(outer, value, "").field).toBe("configuration");
    }
    expect(refusal(outer, { ...right, ipam: [] }, "").message).toBe(
      'Invalid configuration: "ipam" must be an object: []',
    );
  });

  test("does not take a field from the prototype of all objects", () => {
    const schema = object<{ constructor: string | undefined }>({ constructor: optional(text) });
    expect(schema({}, "")).toEqual({ constructor: undefined } as never);
  });

  test("answers any JSON with a value or a ConfigError", () => {
    const nearly = fc.record(
      {
        name: fc.oneof(fc.string(), fc.jsonValue()),
        mtu: fc.oneof(fc.integer(), fc.jsonValue()),
        ipam: fc.oneof(fc.record({ subnet: fc.oneof(fc.ipV4(), fc.jsonValue()) }), fc.jsonValue()),
        ranges: fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(nearly, fc.jsonValue()), (value) => {
        try {
          outer(value, "");
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("routes", () => {
  test("keep the fields that are given, in canonical text", () => {
    expect(
      routes(
        [
          { dst: "10.1.2.3/16" },
          { dst: "::/0", gw: "FD00::1", mtu: 1400, advmss: 1360, priority: 5, table: 100, scope: 253 },
        ],
        "routes",
      ),
    ).toEqual([
      { dst: "10.1.0.0/16" },
      { dst: "::/0", gw: "fd00::1", mtu: 1400, advmss: 1360, priority: 5, table: 100, scope: 253 },
    ]);
  });

  test.each([
    ["dst", 1],
    ["dst", "10.0.0.0"],
    ["gw", "x"],
    ["mtu", -1],
    ["advmss", 1.5],
    ["priority", 2 ** 32],
    ["table", "main"],
    ["scope", 256],
  ] as const)("are refused when %s is %p", (name, value) => {
    const error = refusal(routes, [{ dst: "10.0.0.0/8" }, { dst: "10.0.0.0/8", [name]: value }], "ipam.routes");
    expect(error.field).toBe(`ipam.routes[1].${name}`);
    expect(error.message).toEndWith(`: ${JSON.stringify(value)}`);
  });
});
