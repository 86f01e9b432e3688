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

  /** Opens a start form that a link filled in, and types the input. @returns what the form holds then. */
  async fillInStart(link: string, input: string): Promise<{ workflowType: string; taskQueue: string; workflowId: string; input: string; canStart: boolean }> {
    await this.#page.goto(link);
    const data = this.#page.getByRole('textbox', { name: 'Data' });
    await this.#type(data, input);
    const field = async (name: string): Promise<string> => await this.#page.getByRole('textbox', { name, exact: true }).inputValue();
    return {
      workflowType: await field('Workflow Type'),
      taskQueue: await field('Task Queue'),
      workflowId: await field('Workflow ID'),
      input: await data.innerText(),
      canStart: await this.#page.getByTestId('start-workflow-button').isEnabled(),
    };
  }

  /** As `fillInStart`, and sends it off. Ends at the new workflow's page. */
  async start(link: string, input: string, asIs?: (filledIn: Page) => Promise<void>): Promise<void> {
    await this.fillInStart(link, input);
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

  /** As docs/payload-encryption.md says: this browser's own setting, with cookies. */
  async setCodecServer(url: string): Promise<void> {
    await this.#page.getByRole('button', { name: /codec server/i }).first().click();
    await this.#dialog.getByText('Use my browser setting').click();
    await this.#dialog.getByRole('textbox').first().fill(url);
    await this.#dialog.getByText(/include cross-origin credentials/i).click();
    await this.#dialog.getByRole('button', { name: 'Apply' }).click();
    await this.#dialog.waitFor({ state: 'hidden' });
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
