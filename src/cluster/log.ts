/** Lines for the operator's log: one JSON object each, on standard error. */

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Fields = Readonly<Record<string, unknown>>;

export type Log = { readonly [L in LogLevel]: (message: string, fields?: Fields) => void };

/** Writes lines of a level and of those above it. */
export function logTo(write: (line: string) => void, least: LogLevel): Log {
  const line =
    (level: LogLevel) =>
    (message: string, fields: Fields = {}): void => {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}
