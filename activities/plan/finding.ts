import type { ErrorType } from '../../workflows/domain/errors.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';

export const finding = (effect: Finding['effect'], type: ErrorType, message: string, hint: string | null = null): Finding => ({ effect, type, message, hint });
