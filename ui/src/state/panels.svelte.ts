// The side panels: which are open, and which steps back when the window is too narrow for both.
import { preferences } from "./preferences.svelte";

/** Between two open panels the photos must keep some room. */
const LEAST_SCREEN = 340;
const RAIL = 68;

export class Panels {
  windowWidth = $state(innerWidth);

  #hasRoomForBoth = $derived.by(() => {
    const { labelsWidth, inspectorWidth } = preferences.value;
    return this.windowWidth - RAIL - labelsWidth - inspectorWidth >= LEAST_SCREEN;
  });
  showsLabels = $derived(preferences.value.labelsOpen);
  showsInspector = $derived.by(() => preferences.value.inspectorOpen && (this.#hasRoomForBoth || !this.showsLabels));

  toggleLabels(): void {
    preferences.set("labelsOpen", !this.showsLabels);
  }

  toggleInspector(): void {
    const opens = !this.showsInspector;
    preferences.set("inspectorOpen", opens);
    if (opens && !this.#hasRoomForBoth) preferences.set("labelsOpen", false);
  }

  showModelDetails(): void {
    preferences.set("modelDetailsOpen", true);
  }

  toggleModelDetails(): void {
    preferences.set("modelDetailsOpen", !preferences.value.modelDetailsOpen);
  }
}
