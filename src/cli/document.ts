import type { Document } from '../openapi/diff/document.ts'
import { withOwnApp } from './own-app.ts'

/** The OpenAPI document of this code, from an application on a temporary embedded database. */
export const currentDocument = (): Promise<Document> => withOwnApp(async (app) => app.swagger() as unknown as Document)
