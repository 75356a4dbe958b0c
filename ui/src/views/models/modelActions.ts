// What each button of a model does, wherever it stands.
import type { CatalogueModel } from "../../ipc/bindings";
import type { Action } from "../../model/models";
import type { Workspace } from "../../state/workspace.svelte";

export function run(app: Workspace, model: CatalogueModel, action: Action): void {
  const { backend } = app;
  const { name } = model;
  switch (action) {
    case "use":
      return void app.useModel(name);
    case "download":
    case "resume":
      return void app.run(backend.pullModel(name));
    case "pause":
      return void app.run(backend.pauseTransfer(name));
    case "verify":
      return app.verifyModel(name, true);
    case "reveal":
      return void app.run(backend.revealModel(name));
    // Both throw away what took long to come.
    case "cancel":
    case "remove":
      return app.askRemoval(model);
  }
}
