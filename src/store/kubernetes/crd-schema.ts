/**
 * Words for the schemas of custom resources: OpenAPI v3 as the API server takes it, and rules in CEL.
 * @see https://kubernetes.io/docs/reference/using-api/cel/
 */

export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly "x-kubernetes-validations"?: readonly Rule[];
  readonly [keyword: string]: unknown;
}

export interface Rule {
  /** In CEL, about `self`. */
  readonly rule: string;
  /** What is told when it does not hold; begins with what the value has to be. */
  readonly message: string;
}

/** An object of these fields; all but the optional ones, and those with a default, must be there. */
export function object(fields: Readonly<Record<string, SchemaNode>>, ...optional: readonly string[]): SchemaNode {
  const required = Object.keys(fields).filter(
    (name) => !optional.includes(name) && fields[name]?.default === undefined,
  );
  return { type: "object", ...(required.length > 0 && { required }), properties: fields };
}

export function list(
  items: SchemaNode,
  bounds: { readonly minItems?: number; readonly maxItems?: number } = {},
): SchemaNode {
  return { type: "array", items, ...bounds };
}

/** An object of any names. */
export function mapOf(values: SchemaNode, maxProperties?: number): SchemaNode {
  return { type: "object", additionalProperties: values, ...(maxProperties !== undefined && { maxProperties }) };
}

export function integer(minimum: number, maximum?: number): SchemaNode {
  return { type: "integer", format: "int64", minimum, ...(maximum !== undefined && { maximum }) };
}

export const boolean: SchemaNode = { type: "boolean" };
export const text: SchemaNode = { type: "string" };
export const dateTime: SchemaNode = { type: "string", format: "date-time" };

/** The longest text of an address or network: an IPv6 address whose end is written as IPv4, and a prefix length. */
const LONGEST = 49;

export const ip: SchemaNode = {
  type: "string",
  maxLength: LONGEST,
  "x-kubernetes-validations": [{ rule: "isIP(self)", message: "must be an IP address" }],
};

/** Host bits may be set. */
export const cidr: SchemaNode = {
  type: "string",
  maxLength: LONGEST,
  "x-kubernetes-validations": [{ rule: "isCIDR(self)", message: "must be in CIDR notation such as 10.1.0.0/16" }],
};

export const network: SchemaNode = {
  type: "string",
  maxLength: LONGEST,
  "x-kubernetes-validations": [
    {
      rule: "isCIDR(self) && cidr(self) == cidr(self).masked()",
      message: "must be a network in CIDR notation such as 10.244.0.0/16",
    },
  ],
};

export function oneOf(...words: readonly (string | number)[]): SchemaNode {
  return { type: typeof words[0] === "number" ? "integer" : "string", enum: words };
}

/** With a sentence for `kubectl explain`. */
export function about(description: string, node: SchemaNode): SchemaNode {
  return { description, ...node };
}

export function withDefault(value: unknown, node: SchemaNode): SchemaNode {
  return { ...node, default: value };
}

export function obeying(node: SchemaNode, ...rules: readonly Rule[]): SchemaNode {
  return { ...node, "x-kubernetes-validations": [...(node["x-kubernetes-validations"] ?? []), ...rules] };
}
