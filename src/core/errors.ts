/**
 * The errors of Tendril, by what a caller can do about them.
 *
 * A class says what went wrong; `cni/errors.ts` is the one place that turns a class into a code of the CNI
 * specification. Nothing decides by the text of a message. A message states the action and quotes names; the cause is
 * always passed on.
 */

/** An error with a message for the operator and, where there is more to say, details such as what to try. */
export class TendrilError extends Error {
  readonly details: string | undefined;

  constructor(message: string, options: { cause?: unknown; details?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details;
  }
}

/** A field of the network configuration is missing, has the wrong type, or a value that cannot be used. */
export class ConfigError extends TendrilError {
  readonly field: string;
  /** What is wrong with the field, and its value where that was told. */
  readonly problem: string;

  constructor(field: string, problem: string, options: { value?: unknown; cause?: unknown; details?: string } = {}) {
    const shown = "value" in options ? `: ${showValue(options.value)}` : "";
    super(`Invalid configuration: "${field}" ${problem}${shown}`, options);
    this.field = field;
    this.problem = `${problem}${shown}`;
  }
}

/** An annotation of a pod, or of its namespace, is wrong in type or value. */
export class AnnotationError extends ConfigError {
  /** `holder` is who has the annotation, such as `pod "default/web-0"`; the rest is of the error that a schema gave. */
  constructor(holder: string, { field, problem, details }: ConfigError) {
    super(field, problem, details === undefined ? {} : { details });
    this.message = `Annotation "${field}" of ${holder} ${problem}`;
  }
}

/** The configuration asks for a field or feature that this plugin does not have. */
export class UnsupportedFieldError extends ConfigError {}

/** The configuration's cniVersion is not one that this program speaks. */
export class IncompatibleVersionError extends TendrilError {}

/** A CNI environment variable is missing or malformed. */
export class EnvironmentError extends TendrilError {}

/** The input is not what it should be: not JSON, not an object, a truncated message. */
export class DecodeError extends TendrilError {}

/** A file could not be read or written. */
export class FileError extends TendrilError {}

/** The container, its namespace or its attachment is not there. */
export class UnknownContainerError extends TendrilError {}

/** The namespace of the call cannot be a container's: it is the one that this program runs in. */
export class NetnsError extends TendrilError {}

/** Something passing stands in the way; the runtime should call again. */
export class TryAgainError extends TendrilError {}

/** The plugin cannot serve ADD now (STATUS). */
export class NotAvailableError extends TendrilError {}

/** The kernel refused a change. `code` is the errno's name, such as `EEXIST`. */
export class KernelError extends TendrilError {
  readonly code: string;

  constructor(message: string, code: string, options: { cause?: unknown; details?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** The running kernel was built without something that the configuration needs. */
export class KernelFeatureError extends TendrilError {
  readonly feature: string;

  constructor(feature: string, message: string, options: { cause?: unknown; details?: string } = {}) {
    super(message, options);
    this.feature = feature;
  }
}

/** No address is left, or a requested address is not to be had. */
export class AddressError extends TendrilError {}

/** What should be made is there already and is somebody else's. */
export class ConflictError extends TendrilError {}

/** CHECK found that what was set up is no longer so. Each finding is a sentence. */
export class VerificationError extends TendrilError {
  readonly findings: readonly string[];

  constructor(findings: readonly string[]) {
    super(findings.join("; "));
    this.findings = findings;
  }
}

/** Another vendor's plugin answered with an error of its own, which is passed on as it is. */
export class DelegateError extends TendrilError {
  readonly code: number;

  constructor(message: string, code: number, options: { cause?: unknown; details?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** Another vendor's plugin ended without an answer that can be read: a signal, no output, or no JSON. */
export class PluginFailureError extends TendrilError {}

/** The message of whatever was thrown. */
export function errorMessage(error: unknown): string {
  if (error instanceof Error) return error.message === "" ? error.name : error.message;
  return typeof error === "string" ? error : `Thrown: ${Object.prototype.toString.call(error)}`;
}

/** Shows a configuration value as its reader wrote it, shortened where it is long. */
function showValue(value: unknown): string {
  const text = value === undefined ? "undefined" : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
