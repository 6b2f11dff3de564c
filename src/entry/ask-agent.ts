/**
 * What the executable does before the language's runtime starts: it has a plugin's call served by the node's agent.
 *
 * The runtime's start costs 5 ms, more than all that an agent needs for an ADD. So the executable begins with some
 * hundred instructions that hand the call over, write out the answer and end the process. Where the process is no
 * plugin's, where no agent listens or where it leaves the call to the process, they leave everything as they found it and
 * the runtime starts as if they had not been there: with the same registers, stack and standard input.
 *
 * They are {@link ../cni/resident.ts} once more, for the one architecture that most nodes have; what is sent is
 * {@link ../core/resident.ts}. `scripts/entry-point.ts` puts them into the executable.
 *
 * @see docs/decisions/0010-the-entry-asks-the-agent.md
 */

import {
  AGENT_SOCKET,
  ANSWER_NUMBERS,
  CALL_NUMBERS,
  CALL_TIMEOUT,
  LENGTH_DIGITS,
  NUMBER,
  requestHead,
} from "../core/resident.ts";
import { DEFAULT_RUN_FOLDER, RUN_FOLDER_VARIABLE } from "../linux/run-folder.ts";
import { X86_64 } from "../linux/system-calls.ts";
import { Assembler, at, type Register } from "./x86-64.ts";

/** Those that TypeScript has no need of. @see asm/unistd_64.h */
const CALLS = { ...X86_64, lseek: 8, mmap: 9, munmap: 11, dup2: 33, memfd_create: 319 };

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x8_0001;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
const PROT_READ_WRITE = 3;
/** MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE */
const MAP_FLAGS = 0x4022;
const AT_FDCWD = -100n;
const CLOCK_BOOTTIME = 7;
const EINTR = 4;
/** sizeof(struct sockaddr_un) */
const SOCKADDR_UN = 110;

const HEAD = requestHead(0);

/** Where things are in the memory that is asked of the kernel; of which only those pages exist that are touched. */
const MiB = 1 << 20;
const TIME = 0;
const REQUEST = 16;
const NUMBERS = REQUEST + HEAD.length;
const STRINGS = NUMBERS + 8 * CALL_NUMBERS.length;
/** No string of an environment is longer than 128 KiB, so the one that goes beyond this has room. @see execve(2) */
const LONGEST_STRINGS = 2 * MiB;
/** Longer input than this is left to the runtime. */
const REQUEST_END = 8 * MiB;
const ANSWER = REQUEST_END;
/** Before there is an answer. */
const ADDRESS = ANSWER;
const SIZE = 16 * MiB;

/** Registers that keep their values, as system calls change none of these. */
const STACK = "r12" satisfies Register;
const FINISH = "r13" satisfies Register;
const MEMORY = "rbx" satisfies Register;
const SOCKET = "r14" satisfies Register;
const INPUT = "rbp" satisfies Register;
const END = "r15" satisfies Register;
const RECEIVED = "r8" satisfies Register;

type Argument = Register | number | bigint;

/** The code for an address in memory, which goes on at the runtime's own entry. */
export function askAgentCode(address: number, runtimeEntry: number): Uint8Array {
  const code = new Assembler(address);

  /** Arguments must not be registers that an earlier argument is put in. */
  const systemCall = (name: keyof typeof CALLS, ...args: readonly Argument[]) => {
    for (const [i, value] of args.entries()) {
      const register = (["rdi", "rsi", "rdx", "r10", "r8", "r9"] as const)[i] as Register;
      if (typeof value === "bigint") code.mov64(register, value);
      else if (value !== register) code.mov(register, value);
    }
    code.mov("rax", CALLS[name]);
    code.syscall();
    code.cmp("rax", 0);
  };
  /** Up to eight characters, as a number in memory is. */
  const compareText = (register: Register, text: string) => {
    code.mov64("rcx", Buffer.from(text.padEnd(8, "\0"), "latin1").readBigUInt64LE());
    code.cmp(register, "rcx");
  };

  // At the entry the stack has the number of arguments, their addresses, a zero, and those of the environment's strings;
  // rdx is what the loader wants called at the end. A plugin has no arguments.
  code.mov(STACK, "rsp");
  code.mov(FINISH, "rdx");
  code.load("rax", at(STACK));
  code.cmp("rax", 1);
  code.jumpIf("notEqual", "runtime");
  systemCall("mmap", 0, SIZE, PROT_READ_WRITE, MAP_FLAGS, 0xffff_ffff, 0);
  code.jumpIf("negative", "runtime");
  code.mov(MEMORY, "rax");

  // The name that the executable was started under, and the protocol's variables.
  code.leaLabel("rsi", "head");
  code.lea("rdi", at(MEMORY, REQUEST));
  code.mov("rcx", HEAD.length);
  code.repMovsb();
  code.lea("rdi", at(MEMORY, STRINGS));
  code.load("rsi", at(STACK, 8));
  code.call("copyString");
  code.leaLabel("r9", "runFolder");
  code.mov("r8", 0);
  code.lea("rbp", at(STACK, 24));
  code.label("nextVariable");
  code.lea("rax", at(MEMORY, STRINGS + LONGEST_STRINGS));
  code.cmp("rdi", "rax");
  code.jumpIf("notBelow", "unmap");
  code.load("rsi", at("rbp"));
  code.cmp("rsi", 0);
  code.jumpIf("equal", "variablesEnd");
  code.add("rbp", 8);
  // Behind the last string there are the executable's path and eight zeros, so eight bytes can always be read.
  code.load32("rax", at("rsi"));
  compareText("rax", "CNI_");
  code.jumpIf("notEqual", "otherVariable");
  code.load("rax", at("rsi"));
  compareText("rax", "CNI_COMM");
  code.jumpIf("notEqual", "copyVariable");
  code.load32("rax", at("rsi", 8));
  compareText("rax", "AND=");
  code.jumpIf("notEqual", "copyVariable");
  code.load8("r8", at("rsi", "CNI_COMMAND=".length));
  code.label("copyVariable");
  code.call("copyString");
  code.jump("nextVariable");
  code.label("otherVariable");
  for (const [i, text] of eights(`${RUN_FOLDER_VARIABLE}=`)) {
    code.load("rax", at("rsi", i));
    compareText("rax", text);
    code.jumpIf("notEqual", "nextVariable");
  }
  code.lea("rsi", at("rsi", RUN_FOLDER_VARIABLE.length + 1));
  code.load8("rax", at("rsi"));
  code.cmp("rax", 0);
  code.jumpIf("equal", "nextVariable");
  code.mov("r9", "rsi");
  code.jump("nextVariable");

  // Without a command it is no plugin's process.
  code.label("variablesEnd");
  code.cmp("r8", 0);
  code.jumpIf("equal", "unmap");
  code.mov(END, "rdi");
  const storeLength = (name: (typeof CALL_NUMBERS)[number], length: Register) =>
    code.store(at(MEMORY, NUMBERS + NUMBER * CALL_NUMBERS.indexOf(name)), length);
  code.lea("rax", at(MEMORY, STRINGS));
  code.sub("rdi", "rax");
  storeLength("strings", "rdi");

  // The agent's socket; who waits for it does not wait for ever.
  systemCall("socket", AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  code.jumpIf("negative", "unmap");
  code.mov(SOCKET, "rax");
  // Who has closed a standard file gets the socket under its number.
  code.cmp(SOCKET, 3);
  code.jumpIf("below", "close");
  code.mov("rax", CALL_TIMEOUT / 1000);
  code.store(at(MEMORY, TIME), "rax");
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
    code.lea("r10", at(MEMORY, TIME));
    systemCall("setsockopt", SOCKET, SOL_SOCKET, option, "r10", 16);
    code.jumpIf("negative", "close");
  }
  code.mov("rax", AF_UNIX);
  code.store8(at(MEMORY, ADDRESS), "rax");
  code.lea("rdi", at(MEMORY, ADDRESS + 2));
  code.mov("rsi", "r9");
  code.call("copyString");
  // Its end is written over.
  code.sub("rdi", 1);
  code.leaLabel("rsi", "socketName");
  code.call("copyString");
  code.lea("rsi", at(MEMORY, ADDRESS));
  code.mov("rdx", "rdi");
  code.sub("rdx", "rsi");
  code.cmp("rdx", SOCKADDR_UN + 1);
  code.jumpIf("notBelow", "close");
  systemCall("connect", SOCKET, "rsi", "rdx");
  code.jumpIf("negative", "close");

  // In which namespaces the process is, and until when it waits.
  for (const [name, path] of [["net", "netNamespace"] as const, ["mnt", "mntNamespace"] as const]) {
    code.leaLabel("rsi", path);
    systemCall("readlinkat", AT_FDCWD, "rsi", END, 64);
    code.jumpIf("negative", "close");
    storeLength(name, "rax");
    code.add(END, "rax");
  }
  const until = NUMBERS + NUMBER * CALL_NUMBERS.indexOf("seconds");
  code.lea("rsi", at(MEMORY, until));
  systemCall("clock_gettime", CLOCK_BOOTTIME, "rsi");
  code.jumpIf("negative", "close");
  code.load("rax", at(MEMORY, until));
  code.add("rax", CALL_TIMEOUT / 1000);
  code.store(at(MEMORY, until), "rax");

  // Standard input, to its end.
  code.mov(INPUT, END);
  code.label("readMore");
  code.lea("rdx", at(MEMORY, REQUEST_END));
  code.sub("rdx", END);
  code.jumpIf("equal", "giveBack");
  systemCall("read", 0, END, "rdx");
  code.jumpIf("negative", "giveBack");
  code.add(END, "rax");
  code.cmp("rax", 0);
  code.jumpIf("notEqual", "readMore");
  code.mov("rax", END);
  code.sub("rax", INPUT);
  storeLength("stdin", "rax");

  // The length of the body, in decimal digits.
  code.mov("rax", END);
  code.lea("rcx", at(MEMORY, NUMBERS));
  code.sub("rax", "rcx");
  code.mov("rcx", 10);
  const digits = REQUEST + HEAD.length - "\r\n\r\n".length;
  code.lea("rsi", at(MEMORY, digits));
  code.lea("rdi", at(MEMORY, digits - LENGTH_DIGITS));
  code.label("nextDigit");
  code.sub("rsi", 1);
  code.mov("rdx", 0);
  code.div("rcx");
  code.add("rdx", "0".charCodeAt(0));
  code.store8(at("rsi"), "rdx");
  code.cmp("rsi", "rdi");
  code.jumpIf("notEqual", "nextDigit");

  code.lea("rsi", at(MEMORY, REQUEST));
  code.label("sendMore");
  code.mov("rdx", END);
  code.sub("rdx", "rsi");
  code.jumpIf("equal", "sent");
  systemCall("sendto", SOCKET, "rsi", "rdx", MSG_NOSIGNAL, 0, 0);
  code.jumpIf("negative", "sendFailed");
  code.add("rsi", "rax");
  code.jump("sendMore");
  code.label("sendFailed");
  code.cmp("rax", -EINTR);
  code.jumpIf("equal", "sendMore");
  code.jump("giveBack");

  // An answer that is not whole is none.
  code.label("sent");
  code.lea(RECEIVED, at(MEMORY, ANSWER));
  code.label("receiveMore");
  code.lea("rdx", at(MEMORY, SIZE));
  code.sub("rdx", RECEIVED);
  code.jumpIf("equal", "giveBack");
  systemCall("read", SOCKET, RECEIVED, "rdx");
  code.jumpIf("equal", "giveBack");
  code.jumpIf("negative", "receiveFailed");
  code.add(RECEIVED, "rax");
  code.lea("rsi", at(MEMORY, ANSWER));
  code.label("findBody");
  code.lea("rax", at("rsi", 4));
  code.cmp(RECEIVED, "rax");
  code.jumpIf("below", "receiveMore");
  code.load32("rax", at("rsi"));
  code.add("rsi", 1);
  compareText("rax", "\r\n\r\n");
  code.jumpIf("notEqual", "findBody");
  code.add("rsi", 3);
  for (const [i, text] of eights("HTTP/1.1 200 OK\r")) {
    code.load("rax", at(MEMORY, ANSWER + i));
    compareText("rax", text);
    code.jumpIf("notEqual", "giveBack");
  }
  code.lea("rdi", at("rsi", NUMBER * ANSWER_NUMBERS.length));
  code.cmp(RECEIVED, "rdi");
  code.jumpIf("below", "receiveMore");
  const answerNumber = (name: (typeof ANSWER_NUMBERS)[number]) => at("rsi", NUMBER * ANSWER_NUMBERS.indexOf(name));
  code.load("rdx", answerNumber("stdout"));
  code.load("r9", answerNumber("stderr"));
  code.mov("rax", "rdi");
  code.add("rax", "rdx");
  code.add("rax", "r9");
  code.cmp(RECEIVED, "rax");
  code.jumpIf("below", "receiveMore");
  code.load("rbp", answerNumber("status"));
  code.mov("rsi", "rdi");
  code.mov("rdi", 1);
  code.call("writeAll");
  code.mov("rdi", 2);
  code.mov("rdx", "r9");
  code.call("writeAll");
  systemCall("exit_group", "rbp");
  code.label("receiveFailed");
  code.cmp("rax", -EINTR);
  code.jumpIf("equal", "receiveMore");

  // The runtime is to read what has been read already: from a file in memory, which becomes standard input.
  code.label("giveBack");
  code.cmp(INPUT, END);
  code.jumpIf("equal", "close");
  code.leaLabel("rdi", "inputName");
  systemCall("memfd_create", "rdi", 0);
  code.jumpIf("negative", "failed");
  code.mov("r9", "rax");
  code.mov("rdi", "r9");
  code.mov("rsi", INPUT);
  code.mov("rdx", END);
  code.sub("rdx", INPUT);
  code.call("writeAll");
  code.label("readRest");
  code.lea("rsi", at(MEMORY, ANSWER));
  systemCall("read", 0, "rsi", SIZE - ANSWER);
  code.jumpIf("equal", "restRead");
  code.jumpIf("negative", "restRead");
  code.mov("rdx", "rax");
  code.mov("rdi", "r9");
  code.call("writeAll");
  code.jump("readRest");
  code.label("restRead");
  systemCall("lseek", "r9", 0, 0);
  systemCall("dup2", "r9", 0);
  code.jumpIf("negative", "failed");
  systemCall("close", "r9");

  code.label("close");
  systemCall("close", SOCKET);
  code.label("unmap");
  systemCall("munmap", MEMORY, SIZE);
  code.label("runtime");
  code.mov("rsp", STACK);
  code.mov("rdx", FINISH);
  code.jumpTo(runtimeEntry);

  // Copies a string with its zero from rsi to rdi, which move on behind it; changes rax.
  code.label("copyString");
  code.load8("rax", at("rsi"));
  code.store8(at("rdi"), "rax");
  code.add("rsi", 1);
  code.add("rdi", 1);
  code.cmp("rax", 0);
  code.jumpIf("notEqual", "copyString");
  code.ret();

  // Writes rdx bytes from rsi to the file rdi; rsi moves on behind them.
  code.label("writeAll");
  code.cmp("rdx", 0);
  code.jumpIf("equal", "written");
  systemCall("write");
  code.jumpIf("negative", "writeFailed");
  code.add("rsi", "rax");
  code.sub("rdx", "rax");
  code.jump("writeAll");
  code.label("writeFailed");
  code.cmp("rax", -EINTR);
  code.jumpIf("equal", "writeAll");
  code.label("failed");
  code.leaLabel("rsi", "sentence");
  systemCall("write", 2, "rsi", SENTENCE.length);
  systemCall("exit_group", 1);
  code.label("written");
  code.ret();

  const text = (label: string, characters: string) => {
    code.label(label);
    code.data(Buffer.from(characters, "latin1"));
  };
  text("head", HEAD);
  text("runFolder", `${DEFAULT_RUN_FOLDER}\0`);
  text("socketName", `/${AGENT_SOCKET}\0`);
  text("netNamespace", "/proc/thread-self/ns/net\0");
  text("mntNamespace", "/proc/thread-self/ns/mnt\0");
  text("inputName", "standard input\0");
  text("sentence", SENTENCE);
  return code.assemble();
}

const SENTENCE = "tendril: cannot write the answer, or keep what was read from standard input\n";

/** A text in pieces of eight characters, each with its place. */
function eights(text: string): [place: number, piece: string][] {
  if (text.length % 8 !== 0) throw new Error(`"${text}" is no multiple of eight characters`);
  return Array.from({ length: text.length / 8 }, (_, i) => [8 * i, text.slice(8 * i, 8 * i + 8)]);
}
