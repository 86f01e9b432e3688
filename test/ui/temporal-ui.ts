import type { Locator, Page } from 'playwright-core';
import { until } from '../harness/until.ts';

/** The Temporal UI as a person uses it: by what stands on its buttons. */
export class TemporalUi {
  readonly #page: Page;
  readonly #base: string;

  /** @param uiUrl - such as http://127.0.0.1:8233 */
  constructor(page: Page, uiUrl: string) {
    this.#page = page;
    this.#base = `${uiUrl}/namespaces/default/workflows`;
  }

  /** Opens a start form that a link filled in, types the input, and sends it off. Ends at the new workflow's page. */
  async start(link: string, input: string, asIs?: (filledIn: Page) => Promise<void>): Promise<void> {
    await this.#page.goto(link);
    await this.#type(this.#page.getByRole('textbox', { name: 'Data' }), input);
    await asIs?.(this.#page);
    await this.#page.getByTestId('start-workflow-button').click();
    await this.#page.getByRole('link', { name: 'Workflow started successfully' }).click();
    await this.#page.getByRole('tab', { name: 'User Metadata' }).waitFor();
  }

  async openWorkflow(workflowId: string): Promise<void> {
    await this.#page.goto(`${this.#base}/${encodeURIComponent(workflowId)}`);
    await this.#page.getByRole('tab', { name: 'User Metadata' }).waitFor();
  }

  async openTab(name: string): Promise<void> {
    await this.#page.getByRole('tab', { name }).click();
  }

  /** What the tab User Metadata shows, once it is as awaited; each look asks for what is new, by the key R. */
  async details(isAwaited: RegExp): Promise<string> {
    await this.openTab('User Metadata');
    return await until(`details that match ${isAwaited.source}`, async () => {
      await this.#page.keyboard.press('r');
      const text = await this.#page.frameLocator('iframe >> nth=-1').locator('main').innerText({ timeout: 2_000 });
      return isAwaited.test(text) ? text : undefined;
    }, 120_000, 500);
  }

  /** Fills in the dialogue, which stays open. */
  async writeUpdate(name: string, input: string): Promise<void> {
    await this.#page.getByRole('button', { name: 'More Actions' }).click();
    await this.#page.getByRole('menuitem', { name: 'Send an Update' }).click();
    await this.#dialog.getByRole('button', { name: 'Select an Update' }).click();
    await this.#page.getByRole('option', { name: new RegExp(`^${name} `) }).click();
    await this.#type(this.#dialog.getByRole('textbox', { name: 'Data' }), input);
  }

  /** Sends what the dialogue holds. @returns what it then says; undefined: it was accepted. */
  async submit(input?: string): Promise<string | undefined> {
    if (input !== undefined) await this.#type(this.#dialog.getByRole('textbox', { name: 'Data' }), input);
    await this.#dialog.getByRole('button', { name: 'Submit' }).click();
    const refused = this.#dialog.getByRole('alert').filter({ hasText: /\S/ });
    const accepted = this.#page.getByText('Update successful');
    await refused.or(accepted).first().waitFor();
    return (await refused.count()) > 0 ? await refused.first().innerText() : undefined;
  }

  /** `Running`, `Completed`, `Failed` … as the workflow's page shows it. */
  async status(): Promise<string> {
    // Written in capitals by the page's style only.
    return (await this.#page.getByRole('main').getByRole('status').first().textContent())?.trim() ?? '';
  }

  /** All that the page shows. */
  async text(): Promise<string> {
    return await this.#page.getByRole('main').innerText();
  }

  get #dialog(): Locator {
    return this.#page.getByRole('dialog');
  }

  /** The editor lays the JSON out anew when it is left, and what stands below moves: left before anything there is clicked. */
  async #type(editor: Locator, input: string): Promise<void> {
    await editor.click();
    await this.#page.keyboard.press('ControlOrMeta+A');
    await this.#page.keyboard.insertText(input);
    await editor.blur();
    await until('the editor holds the input', async () => (await editor.innerText()).replaceAll(/\s/g, '') === input.replaceAll(/\s/g, ''), 5_000);
  }
}
