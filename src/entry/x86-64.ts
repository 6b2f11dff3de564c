/**
 * An assembler for the few instructions of x86-64 that {@link ./ask-agent.ts} is made of.
 *
 * Every instruction has one encoding here, the plain one, with displacements and distances of 32 bits: the program is run
 * once, so its size and its speed do not matter, and that it can be checked by eye does.
 * @see Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2
 */

const REGISTERS = [
  ...["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
] as const;

export type Register =
  | ("rax" | "rcx" | "rdx" | "rbx" | "rsp" | "rbp" | "rsi" | "rdi")
  | ("r8" | "r9" | "r10" | "r11" | "r12" | "r13" | "r14" | "r15");

/** Memory at what a register holds, and so many bytes further on. */
export interface Memory {
  readonly base: Register;
  readonly offset: number;
}

export function at(base: Register, offset = 0): Memory {
  return { base, offset };
}

/** The condition codes; `below` is without signs. */
const CONDITIONS = { below: 0x2, notBelow: 0x3, equal: 0x4, notEqual: 0x5, negative: 0x8, notNegative: 0x9 };
export type Condition = keyof typeof CONDITIONS;

/** What `/digit` and opcode are for an operation of a register with another one, and with a number of 32 bits. */
const OPERATIONS = {
  add: { register: 0x01, digit: 0 },
  sub: { register: 0x29, digit: 5 },
  cmp: { register: 0x39, digit: 7 },
};
type Operation = keyof typeof OPERATIONS;

export class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  /** Distances to be filled in once it is known where the labels are. */
  readonly #references: { readonly place: number; readonly label: string }[] = [];
  readonly #address: number;

  /** Code for an address in memory. */
  constructor(address: number) {
    this.#address = address;
  }

  /** Names the place that has been reached. */
  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`There are two labels "${name}"`);
    this.#labels.set(name, this.#bytes.length);
  }

  /** Bytes as they are: constants. */
  data(bytes: Iterable<number>): void {
    this.#bytes.push(...bytes);
  }

  /** A number that fits 32 bits, without a sign, or another register. */
  mov(to: Register, from: Register | number): void {
    if (typeof from === "number") {
      // The upper half becomes zero.
      if (index(to) > 7) this.data([0x41]);
      this.data([0xb8 + (index(to) & 7), ...uint32(from)]);
    } else {
      this.data([rex(from, to), 0x89, modRegisters(from, to)]);
    }
  }

  /** A number of 64 bits. */
  mov64(to: Register, from: bigint): void {
    this.data([rex("rax", to), 0xb8 + (index(to) & 7), ...uint64(from)]);
  }

  /** 64 bits of memory. */
  load(to: Register, from: Memory): void {
    this.data([rex(to, from.base), 0x8b, ...modMemory(to, from)]);
  }

  /** 32 bits of memory; the upper half becomes zero. */
  load32(to: Register, from: Memory): void {
    this.data([rex(to, from.base) & ~REX_W, 0x8b, ...modMemory(to, from)]);
  }

  /** One byte of memory; the rest becomes zero. */
  load8(to: Register, from: Memory): void {
    this.data([rex(to, from.base), 0x0f, 0xb6, ...modMemory(to, from)]);
  }

  /** 64 bits to memory. */
  store(to: Memory, from: Register): void {
    this.data([rex(from, to.base), 0x89, ...modMemory(from, to)]);
  }

  /** The lowest byte of a register to memory. */
  store8(to: Memory, from: Register): void {
    this.data([rex(from, to.base) & ~REX_W, 0x88, ...modMemory(from, to)]);
  }

  /** The address of some memory. */
  lea(to: Register, from: Memory): void {
    this.data([rex(to, from.base), 0x8d, ...modMemory(to, from)]);
  }

  /** The address of a label, which may be anywhere in the code. */
  leaLabel(to: Register, label: string): void {
    // Without a base: relative to the next instruction.
    this.data([rex(to, "rax"), 0x8d, ((index(to) & 7) << 3) | 5]);
    this.#distance(label);
  }

  add(to: Register, what: Register | number): void {
    this.#operate("add", to, what);
  }

  sub(to: Register, what: Register | number): void {
    this.#operate("sub", to, what);
  }

  /** Numbers are extended by their sign. */
  cmp(left: Register, right: Register | number): void {
    this.#operate("cmp", left, right);
  }

  /** Divides rdx:rax: the quotient is rax then, the remainder rdx. */
  div(by: Register): void {
    this.data([rex("rax", by), 0xf7, 0xc0 | (6 << 3) | (index(by) & 7)]);
  }

  /** Copies rcx bytes from rsi to rdi, both of which move on. */
  repMovsb(): void {
    this.data([0xf3, 0xa4]);
  }

  /** Makes the system call rax, which changes rax, rcx and r11. @see syscall(2) */
  syscall(): void {
    this.data([0x0f, 0x05]);
  }

  jump(label: string): void {
    this.data([0xe9]);
    this.#distance(label);
  }

  jumpIf(condition: Condition, label: string): void {
    this.data([0x0f, 0x80 + CONDITIONS[condition]]);
    this.#distance(label);
  }

  /** To an address outside of the code, not more than 2 GiB away. */
  jumpTo(address: number): void {
    this.data([0xe9, ...int32(address - (this.#address + this.#bytes.length + 5))]);
  }

  call(label: string): void {
    this.data([0xe8]);
    this.#distance(label);
  }

  ret(): void {
    this.data([0xc3]);
  }

  /** The code. Throws Error when a label is missing. */
  assemble(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    for (const { place, label } of this.#references) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`There is no label "${label}"`);
      code.set(int32(target - (place + 4)), place);
    }
    return code;
  }

  #operate(operation: Operation, to: Register, what: Register | number): void {
    const { register, digit } = OPERATIONS[operation];
    if (typeof what === "number") {
      this.data([rex("rax", to), 0x81, 0xc0 | (digit << 3) | (index(to) & 7), ...int32(what)]);
    } else {
      this.data([rex(what, to), register, modRegisters(what, to)]);
    }
  }

  #distance(label: string): void {
    this.#references.push({ place: this.#bytes.length, label });
    this.data([0, 0, 0, 0]);
  }
}

const REX_W = 8;

function index(register: Register): number {
  return REGISTERS.indexOf(register);
}

/** The prefix that makes an instruction one of 64 bits, and has the highest bits of both registers. */
function rex(register: Register, base: Register): number {
  return 0x40 | REX_W | (index(register) > 7 ? 4 : 0) | (index(base) > 7 ? 1 : 0);
}

function modRegisters(register: Register, other: Register): number {
  return 0xc0 | ((index(register) & 7) << 3) | (index(other) & 7);
}

/** With rsp or r12 for a base a second byte has to say that there is no index. */
function modMemory(register: Register, { base, offset }: Memory): number[] {
  const low = index(base) & 7;
  const mod = 0x80 | ((index(register) & 7) << 3) | low;
  return low === 4 ? [mod, 0x24, ...int32(offset)] : [mod, ...int32(offset)];
}

function int32(value: number): number[] {
  if (value !== (value | 0)) throw new RangeError(`${value} does not fit 32 bits with a sign`);
  return uint32(value >>> 0);
}

function uint32(value: number): number[] {
  if (value !== value >>> 0) throw new RangeError(`${value} does not fit 32 bits`);
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function uint64(value: bigint): number[] {
  return [...uint32(Number(value & 0xffff_ffffn)), ...uint32(Number(BigInt.asUintN(64, value) >> 32n))];
}
