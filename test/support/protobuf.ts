/**
 * Protocol buffers as far as the container runtime interface needs them: a message is a table of its fields.
 * @see https://protobuf.dev/programming-guides/encoding/
 */

const VARINT = 0;
const BYTES = 2;

/**
 * How the values of a field are written after its tag: once for each content, none for a list without elements. The
 * content of a varint is its bytes; that of others comes without its length.
 */
export interface FieldType<T> {
  readonly wire: typeof VARINT | typeof BYTES;
  encode(value: T): Uint8Array[];
  decode(contents: readonly Uint8Array[]): T;
}

/** A field of which the last counts where it comes several times. */
function single<T>(
  wire: FieldType<T>["wire"],
  encode: (value: T) => Uint8Array,
  decode: (content: Uint8Array) => T,
): FieldType<T> {
  return {
    wire,
    encode: (value) => [encode(value)],
    decode: (contents) => decode(contents.at(-1) ?? new Uint8Array()),
  };
}

export const text = single<string>(
  BYTES,
  (value) => new TextEncoder().encode(value),
  (content) => new TextDecoder().decode(content),
);

export const integer = single<number>(VARINT, encodeVarint, decodeVarint);

export const boolean = single<boolean>(
  VARINT,
  (value) => encodeVarint(value ? 1 : 0),
  (content) => decodeVarint(content) !== 0,
);

/** A field that comes once for each element. */
export function repeated<T>({ wire, encode, decode }: FieldType<T>): FieldType<readonly T[]> {
  return {
    wire,
    encode: (values) => values.flatMap(encode),
    decode: (contents) => contents.map((each) => decode([each])),
  };
}

export type Fields<T> = {
  readonly [K in keyof T]-?: readonly [number: number, type: FieldType<Exclude<T[K], undefined>>];
};

/** A message: fields without a value are not written, and those that came not are absent; unknown ones are passed over. */
export function message<T extends object>(fields: Fields<T>): FieldType<T> {
  const table = Object.entries(fields) as [keyof T, readonly [number, FieldType<unknown>]][];
  return single<T>(
    BYTES,
    (value) =>
      Buffer.concat(
        table.flatMap(([name, [number, { wire, encode }]]) => {
          const contents = value[name] === undefined ? [] : encode(value[name]);
          return contents.flatMap((content) => encodeField(number, wire, content));
        }),
      ),
    (bytes) => {
      const all = [...fieldsOf(bytes)];
      const known = table.flatMap(([name, [number, { decode }]]) => {
        const contents = all.filter((field) => field.number === number).map(({ content }) => content);
        return contents.length === 0 ? [] : [[name, decode(contents)]];
      });
      return Object.fromEntries(known) as T;
    },
  );
}

/** The bytes of a message by itself. */
export function encodeMessage<T>({ encode }: FieldType<T>, value: T): Uint8Array {
  return Buffer.concat(encode(value));
}

/** Throws RangeError where the message is cut off. */
export function decodeMessage<T>({ decode }: FieldType<T>, bytes: Uint8Array): T {
  return decode([bytes]);
}

function encodeField(number: number, wire: number, content: Uint8Array): Uint8Array[] {
  const tag = encodeVarint((number << 3) | wire);
  return wire === BYTES ? [tag, encodeVarint(content.length), content] : [tag, content];
}

/** Fields as they come. Throws RangeError where the message is cut off. */
function* fieldsOf(bytes: Uint8Array): Generator<{ readonly number: number; readonly content: Uint8Array }> {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError(`Message ends after ${bytes.length} bytes`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const takeVarint = (): Uint8Array => {
    let length = 1;
    while (((bytes[at + length - 1] ?? 0) & 0x80) !== 0) length++;
    return take(length);
  };
  while (at < bytes.length) {
    const tag = decodeVarint(takeVarint());
    const wire = tag & 7;
    if (wire === VARINT) yield { number: tag >>> 3, content: takeVarint() };
    else if (wire === BYTES) yield { number: tag >>> 3, content: take(decodeVarint(takeVarint())) };
    else take(wire === 1 ? 8 : 4);
  }
}

/** Numbers here are times and counts: none exceeds what a double holds exactly. */
function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

function decodeVarint(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 128 + (byte & 0x7f), 0);
}
