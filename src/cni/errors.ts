/**
 * The one place that turns error classes into the codes of the CNI specification and into the JSON that a plugin
 * answers with.
 * @see https://www.cni.dev/docs/spec/#error
 */

import {
  AddressError,
  AnnotationError,
  ConfigError,
  ConflictError,
  DecodeError,
  DelegateError,
  EnvironmentError,
  errorMessage,
  FileError,
  IncompatibleVersionError,
  KernelError,
  KernelFeatureError,
  NetnsError,
  NotAvailableError,
  PluginFailureError,
  TendrilError,
  TryAgainError,
  UnknownContainerError,
  UnsupportedFieldError,
  VerificationError,
} from "../core/errors.ts";
import type { CniVersion } from "./versions.ts";

export interface ErrorCode {
  readonly code: number;
  readonly class: abstract new (...args: never[]) => TendrilError;
  readonly meaning: string;
}

/**
 * The codes of errors: below 100 the specification's, from 100 on our own. A class stands before those that it extends.
 * Code 8 is not in the specification's text but in the reference's library.
 */
export const errorCodes: readonly ErrorCode[] = [
  {
    code: 1,
    class: IncompatibleVersionError,
    meaning: "The configuration's cniVersion is unknown, or older than the verb",
  },
  { code: 2, class: UnsupportedFieldError, meaning: "The configuration has a field that this plugin does not support" },
  { code: 3, class: UnknownContainerError, meaning: "The container, its namespace or its attachment is not there" },
  { code: 4, class: EnvironmentError, meaning: "A CNI environment variable is missing or malformed" },
  { code: 5, class: FileError, meaning: "A file could not be read or written, or an executable not be found" },
  { code: 6, class: DecodeError, meaning: "What was read is not what it should be, such as no JSON" },
  { code: 106, class: AnnotationError, meaning: "An annotation of the pod or of its namespace is wrong" },
  { code: 7, class: ConfigError, meaning: "A field of the configuration is missing or wrong in type or value" },
  { code: 8, class: NetnsError, meaning: "CNI_NETNS is the namespace that the plugin itself runs in" },
  { code: 11, class: TryAgainError, meaning: "Something passing stands in the way; call again" },
  { code: 50, class: NotAvailableError, meaning: "The plugin cannot serve ADD now (STATUS)" },
  {
    code: 101,
    class: KernelFeatureError,
    meaning: "The kernel was built without something that the configuration needs",
  },
  { code: 100, class: KernelError, meaning: "The kernel refused a change" },
  { code: 102, class: AddressError, meaning: "No address is left, or the one asked for is not to be had" },
  { code: 103, class: ConflictError, meaning: "What should be made is there already and is somebody else's" },
  { code: 104, class: VerificationError, meaning: "CHECK found that the attachment is no longer as ADD left it" },
  { code: 105, class: PluginFailureError, meaning: "Another vendor's plugin ended without an answer that can be read" },
];

/** The code of what has no class of its own: a bug, or something that nobody thought of. */
export const INTERNAL_ERROR_CODE = 999;

/** The code of an error; that of another vendor's plugin is passed on. */
export function errorCode(error: unknown): number {
  if (error instanceof DelegateError) return error.code;
  return errorCodes.find((each) => error instanceof each.class)?.code ?? INTERNAL_ERROR_CODE;
}

/** Whether an error is a bug or something that nobody thought of, so that where it came from is worth telling. */
export function isUnexpected(error: unknown): boolean {
  return !(error instanceof TendrilError);
}

/** The JSON that a plugin answers with when it fails. */
export function formatError(error: unknown, cniVersion: CniVersion): string {
  const code = errorCode(error);
  const details = error instanceof TendrilError && error.details !== "" ? error.details : undefined;
  return JSON.stringify({ cniVersion, code, msg: errorMessage(error), details }, undefined, 4);
}
