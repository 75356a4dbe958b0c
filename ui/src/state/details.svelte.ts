// Everything known of one photo, fetched again when its record changes.
import type { PhotoDetails } from "../ipc/bindings";
import type { Photo } from "../model/photo";
import type { Workspace } from "./workspace.svelte";

export class DetailsOf {
  /** Stays as it was until the next photo's is here, so that stepping through photos does not flicker. */
  value: PhotoDetails | null = $state.raw(null);

  constructor(app: Workspace, id: () => number | null) {
    // Photos are replaced when anything of them changes, so a photo is its own revision.
    const wanted = $derived.by(() => {
      const current = id();
      return current === null ? undefined : app.library.record(current);
    });
    let latest: Photo | undefined;
    $effect(() => {
      const asked = (latest = wanted);
      if (!asked) {
        this.value = null;
        return;
      }
      void app.run(app.backend.details(asked.id)).then((details) => {
        if (asked !== latest) return;
        // While another model computes, the old numbers stay as the old labels do.
        const keepsOld = asked.outdated && details?.scores.length === 0 && this.value?.id === asked.id;
        this.value = keepsOld && details ? { ...details, scores: this.value?.scores ?? [] } : (details ?? null);
      });
    });
  }
}
