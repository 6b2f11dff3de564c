/**
 * What BIRD is asked by its control socket, in the protocol that birdc speaks: a command is a line; an answer's lines
 * begin with a number of four digits, the last one with a space behind it.
 * @see BIRD's source, doc/reply_codes
 */

import { DecodeError, TendrilError } from "../core/errors.ts";

/** BIRD did not do what it was asked, or did not answer. */
export class BirdError extends TendrilError {}

/** One line of an answer. */
export interface BirdLine {
  readonly code: number;
  readonly text: string;
}

/** Milliseconds until an answer is not expected any more; BIRD does everything else meanwhile. */
const PATIENCE = 10_000;

/** Asks BIRD, and returns the lines of the answer. Throws BirdError when it refuses or does not answer. */
export async function askBird(socket: string, command: string): Promise<BirdLine[]> {
  const lines = await exchange(socket, command);
  const refusal = lines.find(({ code }) => code >= 8000);
  if (refusal === undefined) return lines;
  throw new BirdError(`BIRD refused "${command}": ${refusal.text}`);
}

async function exchange(path: string, command: string): Promise<BirdLine[]> {
  const { promise, resolve, reject } = Promise.withResolvers<BirdLine[]>();
  const failure = (problem: string, cause?: unknown) =>
    new BirdError(`Cannot ask BIRD "${command}" by "${path}": ${problem}`, { cause });
  const reader = new AnswerReader();
  let isGreeted = false;
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data(connection, bytes) {
        try {
          for (const answer of reader.read(bytes)) {
            if (isGreeted) resolve(answer);
            else connection.write(`${command}\n`);
            isGreeted = true;
          }
        } catch (error) {
          reject(failure("not an answer", error));
        }
      },
      close: () => reject(failure("it closed the connection")),
      error: (_, error) => reject(failure(error.message, error)),
    },
  }).catch((error: Error) => {
    throw failure(error.message, error);
  });
  const timer = setTimeout(() => reject(failure("no answer")), PATIENCE);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.end();
  }
}

/** Splits what comes into answers. */
export class AnswerReader {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #lines: BirdLine[] = [];

  /** The answers that end with these bytes. Throws DecodeError. */
  read(bytes: Uint8Array): BirdLine[][] {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = parts.pop() ?? "";
    const answers: BirdLine[][] = [];
    for (const part of parts) {
      // What BIRD has to say at any time belongs to no answer.
      if (part.startsWith("+")) continue;
      const [, digits, sign, text = ""] = /^(?:(\d{4})([ -])| )(.*)$/.exec(part) ?? [];
      const code = digits === undefined ? this.#lines.at(-1)?.code : Number(digits);
      if (code === undefined) throw new DecodeError(`Not a line of BIRD's: ${JSON.stringify(part)}`);
      this.#lines.push({ code, text });
      if (sign !== " ") continue;
      answers.push(this.#lines);
      this.#lines = [];
    }
    return answers;
  }
}
