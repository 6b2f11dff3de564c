/** What a result looks like in each version of the specification. @see https://www.cni.dev/docs/spec/#section-5-result-types */

import { isIP } from "node:net";

type Check = (value: unknown, at: string) => string[];
type Fields = Readonly<Record<string, { readonly check: Check; readonly required?: true }>>;

const is =
  (what: string, test: (value: unknown) => boolean): Check =>
  (value, at) =>
    test(value) ? [] : [`${at} is not ${what}: ${JSON.stringify(value)}`];

const isText = (value: unknown): value is string => typeof value === "string";
const text = is("a string", isText);
const name = is("a name", (value) => isText(value) && value !== "");
const mac = is("a MAC address", (value) => isText(value) && /^([0-9a-f]{2}(:[0-9a-f]{2}){5})?$/i.test(value));
const ip = is("an IP address", (value) => isText(value) && isIP(value) !== 0);
const count = is("a whole number from 0", (value) => Number.isInteger(value) && Number(value) >= 0);
const cidr = is("an address in CIDR notation", (value) => isText(value) && familyOfCidr(value) !== 0);

function familyOfCidr(value: string): number {
  const [address = "", length = "", ...more] = value.split("/");
  const family = isIP(address);
  const isLength = /^[0-9]+$/.test(length) && Number(length) <= (family === 4 ? 32 : 128);
  return isLength && more.length === 0 ? family : 0;
}

const list =
  (each: Check): Check =>
  (value, at) =>
    Array.isArray(value) ? value.flatMap((item, i) => each(item, `${at}[${i}]`)) : [`${at} is not a list`];

const object =
  (fields: Fields): Check =>
  (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is not an object`];
    const entries = Object.entries(value);
    return [
      ...Object.entries(fields).flatMap(([key, { required }]) =>
        required && !(key in value) ? [`${at}.${key} is missing`] : [],
      ),
      ...entries.flatMap(([key, item]) => fields[key]?.check(item, `${at}.${key}`) ?? [`${at}.${key} is not known`]),
    ];
  };

const dns = object({
  nameservers: { check: list(ip) },
  domain: { check: text },
  search: { check: list(text) },
  options: { check: list(text) },
});

/** The fields after the second came with 1.1.0; that they stand in older results too is of no harm. */
const route = object({
  dst: { check: cidr, required: true },
  gw: { check: ip },
  mtu: { check: count },
  advmss: { check: count },
  priority: { check: count },
  table: { check: count },
  scope: { check: count },
});

const oldInterface = object({ name: { check: name, required: true }, mac: { check: mac }, sandbox: { check: text } });
const newInterface = object({
  name: { check: name, required: true },
  mac: { check: mac },
  mtu: { check: count },
  sandbox: { check: text },
  socketPath: { check: text },
  pciID: { check: text },
});

const addressFields: Fields = {
  address: { check: cidr, required: true },
  gateway: { check: ip },
  interface: { check: count },
};
const family = is("4 or 6", (value) => value === "4" || value === "6");

const oldAddress: Check = (value, at) => {
  const { version, address } = value as { version?: string; address?: string };
  const problems = object({ ...addressFields, version: { check: family, required: true } })(value, at);
  const isRight = problems.length > 0 || String(familyOfCidr(address ?? "")) === version;
  return isRight ? problems : [`${at}.version is not that of the address`];
};

const oldestAddress = object({
  ip: { check: cidr, required: true },
  gateway: { check: ip },
  routes: { check: list(route) },
});

const forms: readonly { readonly since: string; readonly fields: Fields }[] = [
  {
    since: "1.0.0",
    fields: {
      interfaces: { check: list(newInterface) },
      ips: { check: list(object(addressFields)) },
      routes: { check: list(route) },
      dns: { check: dns },
    },
  },
  {
    since: "0.3.0",
    fields: {
      interfaces: { check: list(oldInterface) },
      ips: { check: list(oldAddress) },
      routes: { check: list(route) },
      dns: { check: dns },
    },
  },
  { since: "0.1.0", fields: { ip4: { check: oldestAddress }, ip6: { check: oldestAddress }, dns: { check: dns } } },
];

/** What is wrong with a result in a version, each a sentence. */
export function problemsOfResult(result: unknown, version: string, isIpam: boolean): string[] {
  const form = forms.find(({ since }) => version >= since);
  const is = object({ cniVersion: { check: text, required: true }, ...form?.fields });
  const problems = is(result, "result");
  if (problems.length > 0) return problems;
  const {
    cniVersion,
    interfaces,
    ips = [],
  } = result as {
    cniVersion: string;
    interfaces?: readonly object[];
    ips?: readonly { interface?: number }[];
  };
  return [
    ...(cniVersion === version ? [] : [`result.cniVersion is "${cniVersion}"`]),
    ...ips.flatMap(({ interface: index }, i) =>
      index === undefined || index < (interfaces?.length ?? 0) ? [] : [`result.ips[${i}].interface is no index`],
    ),
    ...(isIpam && interfaces !== undefined ? ["result.interfaces is not for an IPAM plugin"] : []),
    ...(isIpam && ips.some((each) => "interface" in each) ? ["result.ips has interfaces"] : []),
  ];
}
