-- The tables of contract §2 as another application's Prisma made them, with
-- columns and tables that are its own business.
CREATE TABLE "User" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT,
    "email" TEXT UNIQUE,
    "phone" TEXT UNIQUE, -- new
    "password" TEXT,
    "emailVerified" TIMESTAMP(3),
    "locale" TEXT NOT NULL DEFAULT 'id',
    "role" TEXT NOT NULL DEFAULT 'customer', -- new
    "apiKey" TEXT UNIQUE, -- new
    "isActive" BOOLEAN NOT NULL DEFAULT true, -- new
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);
CREATE TABLE "WhatsAppSession" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "sessionId" TEXT NOT NULL UNIQUE,
    "sessionName" TEXT,
    "token" TEXT UNIQUE, -- new
    "userId" TEXT REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "webhook" TEXT, -- new
    "events" TEXT, -- new
    "expiration" INTEGER NOT NULL DEFAULT 0,
    "connected" BOOLEAN NOT NULL DEFAULT false, -- new
    "loggedIn" BOOLEAN NOT NULL DEFAULT false, -- new
    "jid" TEXT, -- new
    "qrcode" TEXT, -- new
    "status" TEXT NOT NULL DEFAULT 'disconnected',
    "message" TEXT, -- new
    "proxyEnabled" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);
CREATE TABLE "WhatsappApiPackage" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "description" TEXT, -- new
    "priceMonth" INTEGER NOT NULL,
    "priceYear" INTEGER NOT NULL,
    "discount" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "maxSession" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);
CREATE TABLE "ServicesWhatsappCustomers" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "customerId" TEXT NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "packageId" TEXT NOT NULL REFERENCES "WhatsappApiPackage" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    "transactionId" TEXT,
    "status" TEXT NOT NULL DEFAULT 'activating',
    "activatedAt" TIMESTAMP(3), -- new
    "expiredAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);
CREATE UNIQUE INDEX "ServicesWhatsappCustomers_customerId_packageId_key" ON "ServicesWhatsappCustomers" ("customerId", "packageId");
CREATE TABLE "WhatsAppMessageStats" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "userId" TEXT NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "sessionId" TEXT NOT NULL REFERENCES "WhatsAppSession" ("sessionId") ON DELETE CASCADE ON UPDATE CASCADE,
    "totalMessagesSent" INTEGER NOT NULL DEFAULT 0,
    "totalMessagesFailed" INTEGER NOT NULL DEFAULT 0,
    "lastMessageSentAt" TIMESTAMP(3), -- new
    "lastMessageFailedAt" TIMESTAMP(3), -- new
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);
CREATE UNIQUE INDEX "WhatsAppMessageStats_userId_sessionId_key" ON "WhatsAppMessageStats" ("userId", "sessionId");
CREATE TABLE "UserSession" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "userId" TEXT NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "token" TEXT NOT NULL UNIQUE,
    "deviceInfo" TEXT,
    "isActive" BOOLEAN NOT NULL DEFAULT true, -- new
    "lastUsed" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, -- new
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "Transaction" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "userId" TEXT NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "amount" INTEGER NOT NULL
);
