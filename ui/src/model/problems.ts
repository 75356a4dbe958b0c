// Errors as the shell sends them.
import type { Problem } from "../ipc/bindings";

/** Every code, so that tests can ask the catalogue for each; the compiler keeps it complete. */
export const PROBLEM_CODES: Record<Problem["code"], true> = {
  notFound: true, permission: true, unreadable: true, brokenLink: true, linkLoop: true, emptyFile: true, unknownFormat: true,
  unsupportedFormat: true, corrupt: true, tooManyPixels: true, noPhotos: true, diskFull: true, libraryReadOnly: true, libraryDamaged: true, library: true, clipboardEmpty: true, clipboard: true,
  modelFolder: true, modelConfig: true, modelTensors: true, modelUnsupported: true, modelUnknown: true,
  modelNotInstalled: true, modelExists: true, modelBusy: true, modelInUse: true, modelStore: true, checksum: true, diskSpace: true,
  network: true, accessDenied: true, remoteMissing: true, download: true, endpoint: true, device: true, badLabel: true,
  edit: true, nothingAtHand: true, architecture: true, analysis: true, export: true, cancelled: true, settings: true, thumbnail: true, internal: true,
};

/** A rejected command: a Problem, or something that broke on the way. */
export function problemFrom(reason: unknown): Problem {
  if (isProblem(reason)) return reason;
  const cause = reason instanceof Error ? reason.message : String(reason);
  return { code: "internal", params: { cause }, message: cause };
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "params" in value && Object.hasOwn(PROBLEM_CODES, String(value.code));
}
