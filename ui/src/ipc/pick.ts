// Which shell this window talks to. The made-up one is left out of the built app.
import type { Backend } from "./backend";

export async function pickBackend(): Promise<Backend | null> {
  if ("__TAURI_INTERNALS__" in window) return new (await import("./tauri")).TauriBackend();
  if (import.meta.env.DEV) return new (await import("./fake")).FakeBackend(new URLSearchParams(location.search));
  return null;
}
