import { describe, expect, test } from "bun:test";
import { Assembler, at } from "./x86-64.ts";

const ADDRESS = 0x1a4_0000;

function hex(write: (code: Assembler) => void): string {
  const code = new Assembler(ADDRESS);
  write(code);
  return Buffer.from(code.assemble()).toString("hex");
}

/** What `as` makes of the same line, with `.intel_syntax noprefix`, as objdump(1) shows it (binutils 2.40). */
const CAPTURED: readonly [line: string, bytes: string, write: (code: Assembler) => void][] = [
  ["mov eax, 231", "b8e7000000", (code) => code.mov("rax", 231)],
  ["mov r9d, 0xffffffff", "41b9ffffffff", (code) => code.mov("r9", 0xffff_ffff)],
  ["mov rbx, rsp", "4889e3", (code) => code.mov("rbx", "rsp")],
  ["mov r12, rsp", "4989e4", (code) => code.mov("r12", "rsp")],
  ["mov rsp, r12", "4c89e4", (code) => code.mov("rsp", "r12")],
  ["mov r8, r15", "4d89f8", (code) => code.mov("r8", "r15")],
  ["movabs rcx, 0x4d4d4f435f494e43", "48b9434e495f434f4d4d", (code) => code.mov64("rcx", 0x4d4d4f435f494e43n)],
  ["movabs r11, -100", "49bb9cffffffffffffff", (code) => code.mov64("r11", -100n)],
  ["mov rax, [rbx+0x1000]", "488b8300100000", (code) => code.load("rax", at("rbx", 0x1000))],
  ["mov r10, [r12+0x1000]", "4d8b942400100000", (code) => code.load("r10", at("r12", 0x1000))],
  ["mov rsi, [rsp+0x1000]", "488bb42400100000", (code) => code.load("rsi", at("rsp", 0x1000))],
  ["mov r9d, [r13-0x1000]", "458b8d00f0ffff", (code) => code.load32("r9", at("r13", -0x1000))],
  ["movzx rax, byte ptr [rsi+0x1000]", "480fb68600100000", (code) => code.load8("rax", at("rsi", 0x1000))],
  ["movzx r8, byte ptr [r12+0x1000]", "4d0fb6842400100000", (code) => code.load8("r8", at("r12", 0x1000))],
  ["mov [rbx+0x1000], rdi", "4889bb00100000", (code) => code.store(at("rbx", 0x1000), "rdi")],
  ["mov [r12+0x1000], r13", "4d89ac2400100000", (code) => code.store(at("r12", 0x1000), "r13")],
  ["mov byte ptr [rsi+0x1000], dil", "4088be00100000", (code) => code.store8(at("rsi", 0x1000), "rdi")],
  ["lea rdi, [rbx+0x1000]", "488dbb00100000", (code) => code.lea("rdi", at("rbx", 0x1000))],
  ["lea r8, [r15+0x1000]", "4d8d8700100000", (code) => code.lea("r8", at("r15", 0x1000))],
  ["add rbx, 0x1000", "4881c300100000", (code) => code.add("rbx", 0x1000)],
  ["add r15, rax", "4901c7", (code) => code.add("r15", "rax")],
  ["sub r12, 0x1000", "4981ec00100000", (code) => code.sub("r12", 0x1000)],
  ["sub rdx, rsi", "4829f2", (code) => code.sub("rdx", "rsi")],
  ["cmp r9, 0x1000", "4981f900100000", (code) => code.cmp("r9", 0x1000)],
  ["cmp r8, rax", "4939c0", (code) => code.cmp("r8", "rax")],
  ["div rcx", "48f7f1", (code) => code.div("rcx")],
  ["div r10", "49f7f2", (code) => code.div("r10")],
  ["rep movsb", "f3a4", (code) => code.repMovsb()],
  ["syscall", "0f05", (code) => code.syscall()],
  ["ret", "c3", (code) => code.ret()],
];

describe("instructions", () => {
  test.each([...CAPTURED])("%s", (_, bytes, write) => expect(hex(write)).toBe(bytes));

  test("a comparison with a negative number extends its sign", () => {
    // `cmp rax, -4096` has a shorter form, too, which is the one that `as` takes.
    expect(hex((code) => code.cmp("rax", -4096))).toBe("4881f800f0ffff");
  });
});

describe("distances", () => {
  test("to labels before and behind", () => {
    const written = hex((code) => {
      code.label("back");
      code.leaLabel("rsi", "after");
      code.leaLabel("r9", "back");
      code.call("after");
      code.jump("back");
      code.jumpIf("equal", "after");
      code.jumpIf("notEqual", "back");
      code.jumpIf("below", "after");
      code.jumpIf("notBelow", "after");
      code.jumpIf("negative", "after");
      code.jumpIf("notNegative", "after");
      code.label("after");
    });
    // The same lines by `as`, with the long form of each jump.
    const captured = [
      "488d3535000000 4c8d0df2ffffff e829000000 e9e8ffffff 0f841e000000",
      "0f85dcffffff 0f8212000000 0f830c000000 0f8806000000 0f8900000000",
    ];
    expect(written).toBe(captured.join("").replaceAll(" ", ""));
  });

  test("to an address outside", () => {
    const bytes = hex((code) => {
      code.ret();
      code.jumpTo(ADDRESS + 0xd00);
    });
    expect(bytes).toBe(`c3e9${"fa0c0000"}`);
  });
});

describe("refused is", () => {
  test("a label that is missing, and one that is there twice", () => {
    expect(() => hex((code) => code.jump("nowhere"))).toThrow('There is no label "nowhere"');
    const twice = (code: Assembler) => {
      code.label("here");
      code.label("here");
    };
    expect(() => hex(twice)).toThrow('There are two labels "here"');
  });

  test("a number that does not fit", () => {
    expect(() => hex((code) => code.mov("rax", 2 ** 32))).toThrow("does not fit 32 bits");
    expect(() => hex((code) => code.add("rax", 2 ** 31))).toThrow("does not fit 32 bits with a sign");
    expect(() => hex((code) => code.jumpTo(2 ** 40))).toThrow("does not fit 32 bits with a sign");
  });
});
